import { Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { CodeBlock } from "./CodeBlock";

type EmptyStateProps = {
  icon: ReactNode;
  title: string;
  /** What this is and why you would want it. */
  children: ReactNode;
  action?: ReactNode;
  /** The same from a terminal. */
  command?: string;
};

export function EmptyState({ icon, title, children, action, command }: EmptyStateProps) {
  return (
    <Stack align="center" gap="sm" py={48} px="md" ta="center">
      <Text c="dimmed" component="span" aria-hidden lh={0}>
        {icon}
      </Text>
      <Title order={2}>{title}</Title>
      <Text size="sm" c="dimmed" maw="56ch">
        {children}
      </Text>
      {action}
      {command && (
        <Stack gap={4} w="100%" maw={620} mt="sm" ta="left">
          <Text size="xs" c="dimmed">
            Or from a terminal
          </Text>
          <CodeBlock label="The same from a terminal" code={command} />
        </Stack>
      )}
    </Stack>
  );
}
