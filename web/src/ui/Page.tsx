import { Breadcrumbs, Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import classes from "./Page.module.css";

type PageProps = {
  title: string;
  /** Names of what is above, outermost first; links where they lead somewhere. */
  trail?: ReactNode[];
  description?: ReactNode;
  /** At most one primary button. */
  actions?: ReactNode;
  children: ReactNode;
};

export function Page({ title, trail, description, actions, children }: PageProps) {
  useDocumentTitle(title);
  return (
    <Stack gap="lg" className={classes.page}>
      <div>
        {trail && trail.length > 0 && (
          <Breadcrumbs
            separator="/"
            separatorMargin={8}
            className={classes.trail}
            component="nav"
            aria-label="Breadcrumb"
          >
            {trail}
          </Breadcrumbs>
        )}
        <Group justify="space-between" align="flex-start" gap="sm">
          <div className={classes.heading}>
            <Title order={1}>{title}</Title>
            {description && (
              <Text c="dimmed" mt={4} maw="75ch" component="div">
                {description}
              </Text>
            )}
          </div>
          {actions && <Group gap="sm">{actions}</Group>}
        </Group>
      </div>
      {children}
    </Stack>
  );
}

export function useDocumentTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · Signalbox`;
  }, [title]);
}
