import { Stack, Text } from "@mantine/core";
import { CodeBlock } from "./CodeBlock";
import { Notice } from "./Notice";

type SecretTextProps = { label: string; secret: string; warning: string };

/** SecretText shows a one-line secret with the sentence that says it is shown this once. */
export function SecretText({ label, secret, warning }: SecretTextProps) {
  return (
    <Stack gap="sm">
      <Notice tone="attention">{warning}</Notice>
      <div>
        <Text size="sm" fw={500} mb={4}>
          {label}
        </Text>
        <CodeBlock label={label} code={secret} testId="secret" />
      </div>
    </Stack>
  );
}
