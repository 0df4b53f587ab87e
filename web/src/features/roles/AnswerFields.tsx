import { NumberInput, SimpleGrid, Stack, Switch } from "@mantine/core";
import type { AnswersForm } from "./roleForm";

type AnswerFieldsProps = {
  value: AnswersForm;
  onChange: (value: AnswersForm) => void;
  maxError?: string;
  expiryError?: string;
};

/** AnswerFields lets a user answer requests without being allowed to publish at large. */
export function AnswerFields({ value, onChange, maxError, expiryError }: AnswerFieldsProps) {
  return (
    <Stack gap="sm">
      <Switch
        label="May answer requests"
        description="On the reply subject of a request it received, even where it may not publish otherwise."
        checked={value.on}
        onChange={(event) => onChange({ ...value, on: event.currentTarget.checked })}
      />
      {value.on && (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <NumberInput
            label="Answers to one request"
            description="-1 is unlimited."
            min={-1}
            allowDecimal={false}
            value={value.maxMessages}
            onChange={(next) => onChange({ ...value, maxMessages: typeof next === "number" ? next : 1 })}
            error={maxError}
          />
          <NumberInput
            label="Seconds to answer in"
            description="0 is no limit."
            min={0}
            value={value.seconds}
            onChange={(next) => onChange({ ...value, seconds: typeof next === "number" ? next : 0 })}
            error={expiryError}
          />
        </SimpleGrid>
      )}
    </Stack>
  );
}
