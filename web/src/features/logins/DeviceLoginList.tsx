import { Button, Group, Text } from "@mantine/core";
import type { DeviceLogin } from "../../api/deviceLogins";
import { type Column, DataTable } from "../../ui/DataTable";
import { plural } from "../../ui/format";
import { CredentialState } from "../creds/CredentialState";
import { LastSeen } from "../creds/LastSeen";
import { usable } from "../creds/usable";
import { loginDetail, loginName } from "./loginWords";

type DeviceLoginListProps = {
  logins: DeviceLogin[];
  uses?: Map<string, number>;
  /** Absent: the person may not. */
  onRevoke?: (login: DeviceLogin) => void;
};

export function DeviceLoginList({ logins, uses, onRevoke }: DeviceLoginListProps) {
  const columns: (Column<DeviceLogin> | false)[] = [
    {
      header: "For",
      cell: (login) => (
        <>
          <Text size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>
            {loginName(login)}
          </Text>
          <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {loginDetail(login)}
          </Text>
        </>
      ),
    },
    { header: "State", cell: (login) => <CredentialState credential={login} /> },
    {
      header: "Last seen",
      cell: (login) => {
        const clients = uses?.get(login.public_key);
        return (
          <>
            <LastSeen seen={login.last_seen} />
            {clients !== undefined && (
              <Text size="xs" fw={500} c="var(--sb-ok)">
                {plural(clients, "client")} now
              </Text>
            )}
          </>
        );
      },
    },
    onRevoke !== undefined && {
      header: "Revoke",
      quiet: true,
      align: "right",
      cell: (login) =>
        usable(login) && (
          <Group justify="flex-end">
            <Button
              size="compact-sm"
              variant="default"
              aria-label={`Revoke ${loginName(login)}`}
              onClick={() => onRevoke(login)}
            >
              Revoke
            </Button>
          </Group>
        ),
    },
  ];
  return (
    <DataTable
      label="Device logins"
      rows={logins}
      rowKey={(login) => login.id}
      columns={columns.filter((column) => column !== false)}
    />
  );
}
