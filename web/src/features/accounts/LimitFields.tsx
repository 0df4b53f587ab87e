import { SimpleGrid, Title } from "@mantine/core";
import type { Limits } from "../../api/accounts";
import { LimitInput } from "../../ui/LimitInput";
import type { FieldErrors } from "../problems/fieldErrors";
import { jetStreamLimits, type Limit, limits, type LimitValues, valueAt } from "./limits";

type LimitFieldsProps = {
  values: LimitValues;
  onChange: (pointer: string, value: number) => void;
  plan: Limits;
  errors: FieldErrors;
  disabled?: boolean;
};

/** LimitFields edits all limits of an account, the plan's maximum beside each. */
export function LimitFields({ values, onChange, plan, errors, disabled }: LimitFieldsProps) {
  const field = (limit: Limit) => (
    <LimitInput
      key={limit.pointer}
      label={limit.label}
      description={limit.description}
      unit={limit.unit}
      value={values[limit.pointer] ?? 0}
      maximum={valueAt(plan, limit.pointer)}
      onChange={(value) => onChange(limit.pointer, value)}
      error={errors.at(`/limits${limit.pointer}`)}
      disabled={disabled}
    />
  );
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg" verticalSpacing="md">
        {limits.map(field)}
      </SimpleGrid>
      <Title order={3} mt="sm">
        JetStream
      </Title>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg" verticalSpacing="md">
        {jetStreamLimits.map(field)}
      </SimpleGrid>
    </>
  );
}
