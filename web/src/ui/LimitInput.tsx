import { Group, Input, NumberInput, Select, Switch } from "@mantine/core";
import { useId, useState } from "react";
import { formatLimit } from "./format";

type LimitInputProps = {
  label: string;
  description?: string;
  unit: "count" | "bytes";
  /** -1 is unlimited. */
  value: number;
  /** The most that may be chosen; -1 is unlimited. Absent: it is not bounded, and that goes without saying. */
  maximum?: number;
  /** How much of it is used now, in words. */
  use?: string;
  onChange: (value: number) => void;
  error?: string;
  disabled?: boolean;
};

const byteUnits = [
  { value: "1", label: "B" },
  { value: "1024", label: "KiB" },
  { value: "1048576", label: "MiB" },
  { value: "1073741824", label: "GiB" },
  { value: "1099511627776", label: "TiB" },
];

/** LimitInput is a number or "unlimited", with the maximum beside it; bytes in the largest unit that divides them. */
export function LimitInput({
  label,
  description,
  unit,
  value,
  maximum,
  use,
  onChange,
  error,
  disabled,
}: LimitInputProps) {
  const id = useId();
  const [scale, setScale] = useState(() => scaleOf(unit, value === -1 ? (maximum ?? -1) : value));
  // Emptied counts as 0 but stays empty: a 0 put there would end up behind what is typed next.
  const [emptied, setEmptied] = useState(false);
  const unlimited = value === -1;
  const factor = unit === "bytes" ? Number(scale) : 1;
  return (
    <Input.Wrapper
      id={id}
      label={label}
      description={[description, maximumWords(unit, maximum), use].filter(Boolean).join("; ")}
      error={error}
    >
      <Group gap={8} mt={6} wrap="nowrap">
        <NumberInput
          id={id}
          aria-label={label}
          style={{ flex: 1 }}
          min={0}
          allowNegative={false}
          allowDecimal={unit === "bytes"}
          thousandSeparator=","
          hideControls
          disabled={disabled}
          error={Boolean(error)}
          placeholder={unlimited ? "Unlimited" : "0"}
          value={unlimited || (emptied && value === 0) ? "" : value / factor}
          onChange={(next) => {
            setEmptied(next === "");
            onChange(typeof next === "number" ? Math.round(next * factor) : unlimited ? -1 : 0);
          }}
        />
        {unit === "bytes" && !unlimited && (
          <Select
            aria-label={`${label}: unit`}
            w={84}
            data={byteUnits}
            value={scale}
            disabled={disabled}
            onChange={(next) => setScale(next ?? "1")}
          />
        )}
        {(maximum === undefined || maximum === -1) && (
          <Switch
            label="Unlimited"
            aria-label={`${label}: unlimited`}
            disabled={disabled}
            checked={unlimited}
            onChange={(event) => onChange(event.currentTarget.checked ? -1 : 0)}
          />
        )}
      </Group>
    </Input.Wrapper>
  );
}

function maximumWords(unit: "count" | "bytes", maximum: number | undefined): string | undefined {
  if (maximum === undefined) return undefined;
  return maximum === -1 ? "no maximum" : `at most ${formatLimit(maximum, unit)}`;
}

function scaleOf(unit: "count" | "bytes", value: number): string {
  if (unit === "count" || value <= 0) return unit === "count" ? "1" : "1048576";
  return byteUnits.findLast((candidate) => value % Number(candidate.value) === 0)?.value ?? "1";
}
