import { Text } from "@mantine/core";
import type { Connection } from "../../api/accounts";
import { DataTable } from "../../ui/DataTable";
import { formatCount, shortenKey } from "../../ui/format";
import { Time } from "../../ui/Time";
import { clientWords, protocolName } from "./connectionWords";

export function ConnectionTable({ connections }: { connections: Connection[] }) {
  return (
    <DataTable
      label="Connections"
      rows={connections}
      rowKey={(connection) => [connection.broker, connection.user_public_key, connection.address].join(" ")}
      columns={[
        {
          header: "User",
          cell: (connection) => (
            <>
              <Text size="sm" fw={500}>
                {connection.user || shortenKey(connection.user_public_key)}
              </Text>
              {connection.name && (
                <Text size="xs" c="dimmed">
                  {connection.name}
                </Text>
              )}
            </>
          ),
        },
        {
          header: "From",
          cell: (connection) => (
            <Text size="sm" ff="monospace">
              {connection.address}
            </Text>
          ),
        },
        {
          header: "Over",
          cell: (connection) => (
            <>
              {protocolName(connection.client_type)}
              <Text size="xs" c="dimmed">
                {clientWords(connection)}
              </Text>
            </>
          ),
        },
        { header: "Broker", cell: (connection) => connection.broker },
        { header: "Subscriptions", align: "right", cell: (connection) => formatCount(connection.subscriptions) },
        { header: "Published", align: "right", cell: (connection) => formatCount(connection.messages_in) },
        { header: "Received", align: "right", cell: (connection) => formatCount(connection.messages_out) },
        { header: "Since", cell: (connection) => <Time value={connection.connected_at} /> },
      ]}
    />
  );
}
