import { Text } from "@mantine/core";
import type { Credential, CredentialHistoryItem } from "../../api/credentials";
import { DataTable } from "../../ui/DataTable";
import { Time } from "../../ui/Time";
import { Actor } from "../tenants/Actor";

const words = { issued: "Issued", renewed: "Renewed", revoked: "Revoked" };

type CredentialHistoryProps = {
  credential: Credential;
  items: CredentialHistoryItem[];
  actors: Map<string, string>;
};

export function CredentialHistory({ credential, items, actors }: CredentialHistoryProps) {
  return (
    <DataTable
      label="History"
      rows={items}
      rowKey={(item) => item.id}
      columns={[
        {
          header: "What",
          cell: (item) => (
            <Text size="sm" fw={500}>
              {words[item.event]}
            </Text>
          ),
        },
        {
          header: "Who",
          cell: (item) =>
            item.by === credential.id ? "Itself, by proof of its key" : <Actor id={item.by} actors={actors} />,
        },
        { header: "When", cell: (item) => <Time value={item.at} /> },
      ]}
    />
  );
}
