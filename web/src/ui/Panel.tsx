import { Group, Text, Title } from "@mantine/core";
import { type ReactNode, useId } from "react";
import classes from "./Panel.module.css";

type PanelProps = {
  title?: ReactNode;
  description?: ReactNode;
  actions?: ReactNode;
  /** The content reaches the edges: for tables. */
  flush?: boolean;
  tone?: "plain" | "stopped";
  children: ReactNode;
};

export function Panel({ title, description, actions, flush = false, tone = "plain", children }: PanelProps) {
  const heading = useId();
  return (
    <section className={classes.panel} data-tone={tone} aria-labelledby={title ? heading : undefined}>
      {title && (
        <Group justify="space-between" align="flex-start" gap="sm" className={classes.head} data-flush={flush}>
          <div>
            <Title order={2} id={heading}>
              {title}
            </Title>
            {description && (
              <Text size="sm" c="dimmed" mt={2} maw="75ch">
                {description}
              </Text>
            )}
          </div>
          {actions}
        </Group>
      )}
      <div className={flush ? undefined : classes.body}>{children}</div>
    </section>
  );
}
