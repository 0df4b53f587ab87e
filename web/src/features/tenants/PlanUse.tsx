import { Stack } from "@mantine/core";
import type { Plan } from "../../api/tenants";
import { Meter } from "../../ui/Meter";

/** PlanUse is how much of the plan all accounts of the tenant have taken together. */
export function PlanUse({ plan }: { plan: Plan }) {
  const { use, tenant_limits: limits } = plan;
  return (
    <Stack gap="md">
      <Meter label="Accounts" unit="count" used={use.accounts} limit={plan.max_accounts} />
      <Meter label="Members" unit="count" used={use.members} limit={plan.max_members} />
      <Meter
        label="Connections given to accounts"
        unit="count"
        used={use.limits.connections}
        limit={limits.connections}
      />
      <Meter label="Leaf nodes given to accounts" unit="count" used={use.limits.leaf_nodes} limit={limits.leaf_nodes} />
      <Meter
        label="JetStream memory given to accounts"
        unit="bytes"
        used={use.limits.jetstream.memory_bytes}
        limit={limits.jetstream.memory_bytes}
      />
      <Meter
        label="JetStream disk given to accounts"
        unit="bytes"
        used={use.limits.jetstream.disk_bytes}
        limit={limits.jetstream.disk_bytes}
      />
      <Meter
        label="Streams given to accounts"
        unit="count"
        used={use.limits.jetstream.streams}
        limit={limits.jetstream.streams}
      />
    </Stack>
  );
}
