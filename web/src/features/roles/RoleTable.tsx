import { Text } from "@mantine/core";
import type { Role } from "../../api/roles";
import { DataTable } from "../../ui/DataTable";
import { TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";
import { roleSentence } from "./roleSentence";

export function RoleTable({ roles, open }: { roles: Role[]; open?: string }) {
  return (
    <DataTable
      label="Roles"
      rows={roles}
      rowKey={(role) => role.id}
      isOpen={(role) => role.id === open}
      columns={[
        {
          header: "Name",
          width: "26%",
          cell: (role) => (
            <>
              <TextLink
                to="/accounts/$account/roles/$role"
                params={{ account: role.account_id, role: role.id }}
                resetScroll={false}
                fw={500}
              >
                {role.name}
              </TextLink>
              {role.description && (
                <Text size="xs" c="dimmed" lineClamp={2}>
                  {role.description}
                </Text>
              )}
            </>
          ),
        },
        { header: "May do", cell: roleSentence },
        { header: "Changed", width: "9rem", cell: (role) => <Time value={role.updated_at} /> },
      ]}
    />
  );
}
