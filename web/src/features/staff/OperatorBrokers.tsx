import { Button, Text } from "@mantine/core";
import { useState } from "react";
import type { Broker } from "../../api/operators";
import { DataTable } from "../../ui/DataTable";
import { formatCount, plural } from "../../ui/format";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { RemoveBrokerDialog } from "./RemoveBrokerDialog";

const silence = 10_000; // control refuses to remove a broker that it has heard since

const isSilent = ({ heard_at }: Broker) => heard_at === null || Date.now() - Date.parse(heard_at) > silence;

/** OperatorBrokers compares what each broker has applied with the operator's revision. */
export function OperatorBrokers({ brokers, revision }: { brokers: Broker[]; revision: number }) {
  const [removing, setRemoving] = useState<Broker>();
  return (
    <>
      <DataTable
        label="Brokers"
        rows={brokers}
        rowKey={(broker) => broker.id}
        columns={[
          {
            header: "Broker",
            cell: (broker) => (
              <>
                <Text size="sm" fw={500}>
                  {broker.name}
                </Text>
                <Text size="xs" c="dimmed">
                  {broker.cluster ? `Cluster ${broker.cluster}` : "Alone"}
                </Text>
              </>
            ),
          },
          {
            header: "State",
            cell: (broker) =>
              broker.heard_at === null ? (
                <Status tone="attention">Never heard</Status>
              ) : broker.applied_revision >= revision ? (
                <Status tone="ok">Caught up</Status>
              ) : (
                <Status tone="attention">{plural(revision - broker.applied_revision, "revision")} behind</Status>
              ),
          },
          { header: "Applied revision", align: "right", cell: (broker) => formatCount(broker.applied_revision) },
          { header: "Last heard", cell: (broker) => (broker.heard_at ? <Time value={broker.heard_at} /> : "Never") },
          {
            header: "URLs",
            cell: (broker) => (
              <Text size="xs" ff="monospace" component="div">
                {[
                  ...broker.endpoints.nats,
                  ...broker.endpoints.websocket,
                  ...broker.endpoints.mqtt,
                  ...broker.endpoints.leafnode,
                ].map((url) => (
                  <div key={url}>{url}</div>
                ))}
              </Text>
            ),
          },
          {
            header: "Actions",
            quiet: true,
            align: "right",
            cell: (broker) =>
              isSilent(broker) && (
                <Button
                  variant="default"
                  size="xs"
                  aria-label={`Remove ${broker.name}`}
                  onClick={() => setRemoving(broker)}
                >
                  Remove
                </Button>
              ),
          },
        ]}
      />
      <RemoveBrokerDialog broker={removing} onClose={() => setRemoving(undefined)} />
    </>
  );
}
