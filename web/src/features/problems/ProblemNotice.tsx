import { Button, Group, List, Text } from "@mantine/core";
import { Problem, type FieldError } from "../../api/client";
import { CopyIcon } from "../../ui/CopyButton";
import { Notice } from "../../ui/Notice";

type ProblemNoticeProps = {
  problem: Problem;
  /** What was being done: "Could not load the accounts". The problem's own title when absent. */
  title?: string;
  /** Wrong fields that no field on the page shows. */
  fields?: readonly FieldError[];
  onRetry?: () => void;
};

/** ProblemNotice says what happened, what to do, and the request id to quote. */
export function ProblemNotice({ problem, title, fields = [], onRetry }: ProblemNoticeProps) {
  return (
    <Notice
      tone="stopped"
      role="alert"
      title={title ?? problem.title}
      actions={
        onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        )
      }
    >
      {/* With wrong fields to list, the server's detail only repeats the first. */}
      {fields.length === 0 && <div>{problem.message}</div>}
      {fields.length > 0 && (
        <List size="sm" mt={4}>
          {fields.map((field) => (
            <List.Item key={field.pointer + field.detail}>
              <code>{field.pointer}</code> {field.detail}
            </List.Item>
          ))}
        </List>
      )}
      {problem.requestId && (
        <Group gap={4} mt={4}>
          <Text size="xs" c="dimmed">
            Request <code>{problem.requestId}</code>
          </Text>
          <CopyIcon text={problem.requestId} what="request id" />
        </Group>
      )}
    </Notice>
  );
}
