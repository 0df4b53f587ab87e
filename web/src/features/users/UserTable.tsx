import { Text } from "@mantine/core";
import type { User } from "../../api/users";
import { DataTable } from "../../ui/DataTable";
import { formatCount } from "../../ui/format";
import { TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";

export function UserTable({ users, open }: { users: User[]; open?: string }) {
  return (
    <DataTable
      label="Users"
      rows={users}
      rowKey={(user) => user.id}
      isOpen={(user) => user.id === open}
      columns={[
        {
          header: "Name",
          cell: (user) => (
            <TextLink
              to="/accounts/$account/users/$user"
              params={{ account: user.account_id, user: user.id }}
              resetScroll={false}
              fw={500}
            >
              {user.name}
            </TextLink>
          ),
        },
        {
          header: "Role",
          cell: (user) =>
            user.permissions ? (
              <Text size="sm" c="dimmed">
                Permissions of its own
              </Text>
            ) : (
              <TextLink
                to="/accounts/$account/roles/$role"
                params={{ account: user.account_id, role: user.role_id }}
                c="dimmed"
              >
                {user.role_name}
              </TextLink>
            ),
        },
        {
          header: "Active creds",
          align: "right",
          cell: (user) =>
            user.active_credentials === 0 ? (
              <Text size="sm" c="dimmed">
                None
              </Text>
            ) : (
              formatCount(user.active_credentials)
            ),
        },
        { header: "Created", cell: (user) => <Time value={user.created_at} /> },
      ]}
    />
  );
}
