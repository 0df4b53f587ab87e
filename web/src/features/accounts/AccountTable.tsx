import { Text } from "@mantine/core";
import type { Account } from "../../api/accounts";
import { DataTable } from "../../ui/DataTable";
import { formatLimit } from "../../ui/format";
import { Key } from "../../ui/Key";
import { TextLink } from "../../ui/links";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { DeliveryStatus } from "./DeliveryStatus";

export function AccountTable({ accounts }: { accounts: Account[] }) {
  return (
    <DataTable
      label="Accounts"
      rows={accounts}
      rowKey={(account) => account.id}
      columns={[
        {
          header: "Name",
          cell: (account) => (
            <>
              <TextLink to="/accounts/$account" params={{ account: account.id }} fw={500}>
                {account.name}
              </TextLink>
              {account.description && (
                <Text size="xs" c="dimmed" lineClamp={1}>
                  {account.description}
                </Text>
              )}
            </>
          ),
        },
        {
          header: "State",
          cell: (account) =>
            account.status === "active" ? (
              <DeliveryStatus account={account.id} />
            ) : (
              <Status tone="stopped">{account.status === "deleting" ? "Being deleted" : "Suspended"}</Status>
            ),
        },
        {
          header: "Public key",
          cell: (account) => <Key value={account.public_key} what={`public key of ${account.name}`} />,
        },
        {
          header: "Connection limit",
          align: "right",
          cell: (account) => formatLimit(account.limits.connections, "count"),
        },
        { header: "Created", cell: (account) => <Time value={account.created_at} /> },
      ]}
    />
  );
}
