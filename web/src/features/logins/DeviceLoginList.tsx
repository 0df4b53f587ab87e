import { Button, Group, Text } from "@mantine/core";
import type { DeviceLogin } from "../../api/deviceLogins";
import { type Column, DataTable } from "../../ui/DataTable";
import { plural } from "../../ui/format";
import { TextLink } from "../../ui/links";
import { CredentialState } from "../creds/CredentialState";
import { LastSeen } from "../creds/LastSeen";
import { usable } from "../creds/usable";
import { loginDetail, loginName } from "./loginWords";

type DeviceLoginListProps = {
  logins: DeviceLogin[];
  /** The row whose detail is open beside the list. */
  open?: string;
  /** The list is of many users, so each row says whose it is. */
  withUser?: boolean;
  /** How many clients use each now, by public key; absent while nobody knows. */
  uses?: Map<string, number>;
  /** Absent: the person may not. */
  onRevoke?: (login: DeviceLogin) => void;
};

export function DeviceLoginList({ logins, open, withUser, uses, onRevoke }: DeviceLoginListProps) {
  const columns: (Column<DeviceLogin> | false)[] = [
    {
      header: "For",
      cell: (login) => (
        <>
          <TextLink
            to="/accounts/$account/authentication/device-logins/$deviceLogin"
            params={{ account: login.account_id, deviceLogin: login.id }}
            // In the list of all, what it is narrowed to stays.
            search={withUser ? true : {}}
            resetScroll={false}
            size="sm"
            fw={500}
            style={{ overflowWrap: "anywhere" }}
          >
            {loginName(login)}
          </TextLink>
          <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {loginDetail(login)}
          </Text>
        </>
      ),
    },
    withUser === true && {
      header: "User",
      cell: (login) => (
        <TextLink
          to="/accounts/$account/users/$user"
          params={{ account: login.account_id, user: login.user_id }}
          size="sm"
        >
          {login.user}
        </TextLink>
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
      isOpen={(login) => login.id === open}
      columns={columns.filter((column) => column !== false)}
    />
  );
}
