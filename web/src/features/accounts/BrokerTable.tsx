import { Text } from "@mantine/core";
import { Server } from "lucide-react";
import type { AccountDelivery } from "../../api/accounts";
import { DataTable } from "../../ui/DataTable";
import { EmptyState } from "../../ui/EmptyState";
import { formatCount } from "../../ui/format";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";

export function BrokerTable({ delivery }: { delivery: AccountDelivery }) {
  if (delivery.brokers.length === 0) {
    return (
      <EmptyState icon={<Server size={32} />} title="No broker is enrolled">
        Clients connect to brokers. As soon as one is enrolled it fetches this account, and shows here.
      </EmptyState>
    );
  }
  return (
    <DataTable
      label="Brokers and what they have applied"
      rows={delivery.brokers}
      rowKey={(broker) => `${broker.kind} ${broker.broker}`}
      columns={[
        {
          header: "Broker",
          cell: (broker) => (
            <>
              <Text size="sm" fw={500}>
                {broker.broker}
              </Text>
              {broker.kind === "server" && (
                <Text size="xs" c="dimmed">
                  Attached nats-server
                </Text>
              )}
            </>
          ),
        },
        {
          header: "State",
          cell: (broker) =>
            broker.refusal !== null ? (
              <Status tone="stopped">Refused: {broker.refusal}</Status>
            ) : broker.in_force ? (
              <Status tone="ok">In force</Status>
            ) : (
              <Status tone="attention">Waiting</Status>
            ),
        },
        {
          header: "Applied revision",
          align: "right",
          cell: (broker) => `${formatCount(broker.applied_revision)} (wanted ${formatCount(delivery.revision)})`,
        },
        { header: "Last heard", cell: (broker) => (broker.heard_at ? <Time value={broker.heard_at} /> : "Never") },
      ]}
    />
  );
}
