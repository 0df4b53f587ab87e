import { Text } from "@mantine/core";
import type { AuditEvent } from "../../api/tenants";
import { DataTable } from "../../ui/DataTable";
import { Key } from "../../ui/Key";
import { TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";
import { Actor } from "./Actor";
import { actionWords } from "./auditWords";

type AuditTableProps = {
  events: AuditEvent[];
  /** Names by id, as far as they are known. */
  actors: Map<string, string>;
};

export function AuditTable({ events, actors }: AuditTableProps) {
  return (
    <DataTable
      label="Audit events"
      rows={events}
      rowKey={(event) => event.id}
      columns={[
        {
          header: "What",
          cell: (event) => (
            <Text size="sm" fw={500}>
              {actionWords(event.action)}
            </Text>
          ),
        },
        { header: "Who", cell: (event) => <Actor id={event.actor} actors={actors} /> },
        { header: "To what", cell: (event) => <Target id={event.target} /> },
        { header: "When", cell: (event) => <Time value={event.created_at} /> },
      ]}
    />
  );
}

function Target({ id }: { id: string }) {
  if (id.startsWith("acc_")) {
    return (
      <TextLink to="/accounts/$account" params={{ account: id }} size="sm">
        Account
      </TextLink>
    );
  }
  return <Key value={id} what="id" />;
}
