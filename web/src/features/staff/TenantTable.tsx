import { Button } from "@mantine/core";
import type { Tenant } from "../../api/tenants";
import { DataTable } from "../../ui/DataTable";
import { TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";

/** TenantTable lists the installation's tenants with the plan that each is on. */
export function TenantTable({ tenants, onMove }: { tenants: Tenant[]; onMove: (tenant: Tenant) => void }) {
  return (
    <DataTable
      label="Tenants"
      rows={tenants}
      rowKey={(tenant) => tenant.id}
      columns={[
        { header: "Name", cell: (tenant) => tenant.name },
        {
          header: "Plan",
          cell: (tenant) => (
            <TextLink to="/plans/$plan" params={{ plan: tenant.plan_id }}>
              {tenant.plan_name}, version {tenant.plan_version}
            </TextLink>
          ),
        },
        { header: "Signed up", cell: (tenant) => <Time value={tenant.created_at} /> },
        {
          header: "Acts",
          quiet: true,
          align: "right",
          cell: (tenant) => (
            <Button
              size="xs"
              variant="default"
              aria-label={`Change the plan of ${tenant.name}`}
              onClick={() => onMove(tenant)}
            >
              Change plan
            </Button>
          ),
        },
      ]}
    />
  );
}
