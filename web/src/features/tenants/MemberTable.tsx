import { Text } from "@mantine/core";
import type { Member } from "../../api/tenants";
import { DataTable } from "../../ui/DataTable";
import { Time } from "../../ui/Time";

export const roleNames = { owner: "Owner", admin: "Admin", developer: "Developer", viewer: "Viewer" };

export function MemberTable({ members, self }: { members: Member[]; self: string }) {
  return (
    <DataTable
      label="Members"
      rows={members}
      rowKey={(member) => member.person_id}
      columns={[
        {
          header: "E-mail",
          cell: (member) => (
            <Text size="sm" fw={500}>
              {member.email}
              {member.person_id === self && (
                <Text span size="sm" c="dimmed" fw={400}>
                  {" "}
                  (you)
                </Text>
              )}
            </Text>
          ),
        },
        { header: "Role", cell: (member) => roleNames[member.role] },
        { header: "Member since", cell: (member) => <Time value={member.created_at} /> },
      ]}
    />
  );
}
