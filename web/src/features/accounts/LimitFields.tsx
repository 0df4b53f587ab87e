import { SegmentedControl, SimpleGrid, Stack, Switch, Text, Title } from "@mantine/core";
import type { Limits } from "../../api/accounts";
import { LimitInput } from "../../ui/LimitInput";
import type { FieldErrors } from "../problems/fieldErrors";
import {
  flatJetStream,
  jetStreamLimits,
  type Limit,
  type LimitForm,
  limits,
  limitSwitches,
  type LimitSwitch,
  maxBytesRequired,
  maximumAt,
  switchJetStream,
  tiers,
} from "./limits";

type LimitFieldsProps = {
  value: LimitForm;
  onChange: (value: LimitForm) => void;
  /** Absent: nothing bounds them. */
  plan?: Limits;
  /** Where they are in the API's body. */
  pointer?: string;
  errors: FieldErrors;
  /** What is used of a limit now, in words, by its pointer. */
  uses?: Map<string, string>;
  disabled?: boolean;
};

/** LimitFields edits all limits of an account, the plan's maximum beside each. */
export function LimitFields({
  value,
  onChange,
  plan,
  pointer: at = "/limits",
  errors,
  uses,
  disabled,
}: LimitFieldsProps) {
  const grid = (of: Limit[]) => (
    <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg" verticalSpacing="md">
      {of.map((limit) => (
        <LimitInput
          key={limit.pointer}
          label={limit.label}
          description={limit.description}
          unit={limit.unit}
          value={value.values[limit.pointer] ?? 0}
          maximum={plan && maximumAt(plan, limit.pointer)}
          use={uses?.get(limit.pointer)}
          onChange={(next) => onChange({ ...value, values: { ...value.values, [limit.pointer]: next } })}
          error={errors.at(`${at}${limit.pointer}`)}
          disabled={disabled}
        />
      ))}
    </SimpleGrid>
  );
  const toggle = ({ pointer, label, description }: LimitSwitch) => (
    <Switch
      key={pointer}
      label={label}
      description={description}
      checked={value.flags[pointer] ?? false}
      disabled={disabled}
      onChange={(event) => onChange({ ...value, flags: { ...value.flags, [pointer]: event.currentTarget.checked } })}
      error={errors.at(`${at}${pointer}`)}
    />
  );
  return (
    <>
      {grid(limits)}
      <Stack gap="sm">{limitSwitches.map(toggle)}</Stack>
      <Title order={3} mt="sm">
        JetStream
      </Title>
      <div>
        <SegmentedControl
          aria-label="JetStream limits"
          disabled={disabled}
          data={[
            { value: "flat", label: "One set of limits" },
            { value: "tiers", label: "By number of replicas" },
          ]}
          value={value.tiered ? "tiers" : "flat"}
          onChange={(next) => onChange(switchJetStream(value, next === "tiers"))}
        />
        {value.tiered && (
          <Text size="xs" c="dimmed" mt={6}>
            With memory and disk at 0 there are no streams of that kind.
          </Text>
        )}
      </div>
      {value.tiered ? (
        tiers.map(({ pointer, label }) => (
          <Stack key={pointer} gap="md" role="group" aria-label={label}>
            <Text size="sm" fw={500} mt="xs">
              {label}
            </Text>
            {grid(jetStreamLimits(pointer))}
            {toggle(maxBytesRequired(pointer))}
          </Stack>
        ))
      ) : (
        <>
          {grid(jetStreamLimits(flatJetStream))}
          {toggle(maxBytesRequired(flatJetStream))}
        </>
      )}
    </>
  );
}
