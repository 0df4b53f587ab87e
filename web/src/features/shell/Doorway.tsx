import { Group, Paper, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useDocumentTitle } from "../../ui/Page";
import classes from "./Doorway.module.css";
import { Logo } from "./Logo";

type DoorwayProps = { title: string; lead: string; footer: ReactNode; children: ReactNode };

/** Doorway is the page of those who are not signed in: one form in the middle. */
export function Doorway({ title, lead, footer, children }: DoorwayProps) {
  useDocumentTitle(title);
  return (
    <main className={classes.doorway}>
      <Stack w="100%" maw={400} gap="lg">
        <Group gap={10} justify="center">
          <Logo size={28} />
          <Text fw={600} size="lg">
            Signalbox
          </Text>
        </Group>
        <Paper className={classes.card}>
          <Stack gap="md">
            <div>
              <Title order={1}>{title}</Title>
              <Text size="sm" c="dimmed" mt={4}>
                {lead}
              </Text>
            </div>
            {children}
          </Stack>
        </Paper>
        <Text size="sm" c="dimmed" ta="center">
          {footer}
        </Text>
      </Stack>
    </main>
  );
}
