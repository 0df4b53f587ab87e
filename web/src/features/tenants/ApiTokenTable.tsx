import { Button, Text } from "@mantine/core";
import type { ApiToken } from "../../api/tenants";
import { DataTable } from "../../ui/DataTable";
import { Time } from "../../ui/Time";
import { roleNames } from "./MemberTable";

export function ApiTokenTable({ tokens, onDelete }: { tokens: ApiToken[]; onDelete: (token: ApiToken) => void }) {
  return (
    <DataTable
      label="API tokens"
      rows={tokens}
      rowKey={(token) => token.id}
      columns={[
        {
          header: "Name",
          cell: (token) => (
            <Text size="sm" fw={500}>
              {token.name}
            </Text>
          ),
        },
        { header: "Role", cell: (token) => roleNames[token.role] },
        { header: "Created by", cell: (token) => token.created_by },
        { header: "Created", cell: (token) => <Time value={token.created_at} /> },
        { header: "Expires", cell: (token) => (token.expires_at ? <Time value={token.expires_at} /> : "Never") },
        {
          header: "Delete",
          quiet: true,
          align: "right",
          cell: (token) => (
            <Button
              size="compact-sm"
              variant="default"
              aria-label={`Delete ${token.name}`}
              onClick={() => onDelete(token)}
            >
              Delete
            </Button>
          ),
        },
      ]}
    />
  );
}
