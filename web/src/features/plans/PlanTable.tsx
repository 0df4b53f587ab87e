import { Badge, Group } from "@mantine/core";
import type { PlanVersion } from "../../api/plans";
import { DataTable } from "../../ui/DataTable";
import { formatCount, formatLimit } from "../../ui/format";
import { TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";

/** PlanTable lists plans by their newest versions. */
export function PlanTable({ plans }: { plans: PlanVersion[] }) {
  return (
    <DataTable
      label="Plans"
      rows={plans}
      rowKey={(plan) => plan.id}
      columns={[
        {
          header: "Name",
          cell: (plan) => (
            <Group gap="xs">
              <TextLink to="/plans/$plan" params={{ plan: plan.id }} fw={500}>
                {plan.name}
              </TextLink>
              {plan.is_default && <DefaultBadge />}
            </Group>
          ),
        },
        { header: "Version", align: "right", cell: (plan) => formatCount(plan.version) },
        { header: "Tenants on it", align: "right", cell: (plan) => formatCount(plan.tenants) },
        { header: "Accounts", align: "right", cell: (plan) => formatLimit(plan.max_accounts, "count") },
        {
          header: "Connections in all",
          align: "right",
          cell: (plan) => formatLimit(plan.tenant_limits.connections, "count"),
        },
        { header: "Made", width: "9rem", cell: (plan) => <Time value={plan.created_at} /> },
      ]}
    />
  );
}

export function DefaultBadge() {
  return (
    <Badge variant="default" size="sm" tt="none">
      Default for sign-ups
    </Badge>
  );
}
