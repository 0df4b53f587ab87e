import { Group, Input, NumberInput, Select } from "@mantine/core";
import { useId, useState } from "react";
import { durationOf, secondsOf } from "./format";

type DurationInputProps = {
  label: string;
  description?: string;
  /** ISO 8601; null: none is set. */
  value: string | null;
  onChange: (value: string | null) => void;
  /** Said where none is set: "As the plan". */
  placeholder: string;
  error?: string;
  disabled?: boolean;
};

const units = [
  { value: "60", label: "minutes" },
  { value: "3600", label: "hours" },
  { value: "86400", label: "days" },
];

/** DurationInput is a number in the largest unit that divides it; empty is none. */
export function DurationInput({
  label,
  value,
  onChange,
  placeholder,
  error,
  disabled,
  ...wrapper
}: DurationInputProps) {
  const id = useId();
  const seconds = value === null ? undefined : secondsOf(value);
  const [unit, setUnit] = useState(() => unitOf(seconds));
  return (
    <Input.Wrapper id={id} label={label} error={error} {...wrapper}>
      <Group gap={8} mt={6} wrap="nowrap">
        <NumberInput
          id={id}
          style={{ flex: 1 }}
          min={0}
          allowNegative={false}
          thousandSeparator=","
          hideControls
          disabled={disabled}
          error={Boolean(error)}
          placeholder={placeholder}
          value={seconds === undefined ? "" : seconds / Number(unit)}
          onChange={(next) => onChange(typeof next === "number" ? durationOf(Math.round(next * Number(unit))) : null)}
        />
        <Select
          aria-label={`${label}: unit`}
          w={104}
          data={units}
          value={unit}
          disabled={disabled}
          onChange={(next) => {
            const chosen = next ?? unit;
            setUnit(chosen);
            if (seconds !== undefined) onChange(durationOf((seconds / Number(unit)) * Number(chosen)));
          }}
        />
      </Group>
    </Input.Wrapper>
  );
}

function unitOf(seconds: number | undefined): string {
  if (!seconds) return "86400";
  return units.findLast(({ value }) => seconds % Number(value) === 0)?.value ?? "60";
}
