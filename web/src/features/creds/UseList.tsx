import { Text } from "@mantine/core";
import type { Connection } from "../../api/accounts";
import { DataTable } from "../../ui/DataTable";
import { Time } from "../../ui/Time";
import { clientWords, protocolName } from "../accounts/connectionWords";

/** UseList names the clients that use a credential now, as far as it takes to find them. */
export function UseList({ label, connections }: { label: string; connections: Connection[] }) {
  return (
    <DataTable
      label={label}
      rows={connections}
      rowKey={(connection) => `${connection.broker} ${connection.address} ${connection.connected_at}`}
      columns={[
        {
          header: "Client",
          cell: (connection) => (
            <>
              <Text size="sm" fw={500}>
                {connection.name || "Unnamed"}
              </Text>
              <Text size="xs" c="dimmed">
                {[clientWords(connection), protocolName(connection.client_type)].filter(Boolean).join(", ")}
              </Text>
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
        { header: "Broker", cell: (connection) => connection.broker },
        { header: "Since", cell: (connection) => <Time value={connection.connected_at} /> },
      ]}
    />
  );
}
