import { Group, Progress, Text } from "@mantine/core";
import type { Plan } from "../../api/tenants";
import { formatCount, formatLimit } from "../../ui/format";

/** PlanUse is the one thing the API counts of a plan so far: accounts. */
export function PlanUse({ plan }: { plan: Plan }) {
  const unlimited = plan.max_accounts === -1;
  const share = unlimited ? 0 : (plan.use.accounts / Math.max(plan.max_accounts, 1)) * 100;
  return (
    <div>
      <Group justify="space-between" mb={6}>
        <Text size="sm">Accounts</Text>
        <Text size="sm" style={{ fontVariantNumeric: "tabular-nums" }}>
          {formatCount(plan.use.accounts)} of {formatLimit(plan.max_accounts, "count").toLowerCase()}
        </Text>
      </Group>
      {!unlimited && (
        <Progress
          value={share}
          size={6}
          color={share >= 100 ? "var(--sb-stopped)" : share >= 80 ? "var(--sb-attention)" : undefined}
          aria-label={`${plan.use.accounts} of ${plan.max_accounts} accounts used`}
        />
      )}
    </div>
  );
}
