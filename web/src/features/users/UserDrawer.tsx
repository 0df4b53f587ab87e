import { Button, Drawer, Group, Stack, Text, Title } from "@mantine/core";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound, Pencil, Plus } from "lucide-react";
import { useState } from "react";
import { type Credential, credentialsOf } from "../../api/credentials";
import { rolesOf } from "../../api/roles";
import { deleteUser, type User, userById } from "../../api/users";
import { ConfirmByName } from "../../ui/ConfirmByName";
import { EmptyState } from "../../ui/EmptyState";
import { Facts } from "../../ui/Facts";
import { formatLimit, plural } from "../../ui/format";
import { Key } from "../../ui/Key";
import { LoadMore } from "../../ui/LoadMore";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { PanelSkeleton, TableSkeleton } from "../../ui/Skeletons";
import { ButtonLink, TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";
import { useMayChange } from "../accounts/AccountContext";
import { closesWords, countByKey, useConnections } from "../accounts/closes";
import { CredentialList } from "../creds/CredentialList";
import { IssueCredsDialog } from "../creds/IssueCredsDialog";
import { RevokeDialog } from "../creds/RevokeDialog";
import { RotateDialog } from "../creds/RotateDialog";
import { DeviceLoginPanel } from "../logins/DeviceLoginPanel";
import { Loaded } from "../problems/Loaded";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { connectionTypeNames, roleSentence } from "../roles/roleSentence";
import { UserEditor } from "./UserEditor";

/** UserDrawer opens a user beside the list: what it may do, its creds, and their end. */
export function UserDrawer({ user: id, onClose }: { user: string; onClose: () => void }) {
  const user = useQuery(userById(id));
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size={720}
      title={user.data ? `User ${user.data.name}` : "User"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Loaded query={user} what="the user" skeleton={<PanelSkeleton lines={6} />}>
        {(data) => <UserDetail user={data} onDeleted={onClose} />}
      </Loaded>
    </Drawer>
  );
}

function UserDetail({ user, onDeleted }: { user: User; onDeleted: () => void }) {
  const mayEdit = useMayChange();
  const [editing, setEditing] = useState(false);
  const [issuing, setIssuing] = useState(false);
  const [revoking, setRevoking] = useState<Credential>();
  const [rotating, setRotating] = useState<Credential>();
  const connections = useConnections(user.account_id, (connection) => connection.user === user.name);
  const uses = connections && countByKey(connections);
  const credentials = useInfiniteQuery(credentialsOf(user.id));
  const issueButton = mayEdit && (
    <Button size="xs" leftSection={<Plus size={14} />} onClick={() => setIssuing(true)}>
      Issue creds
    </Button>
  );
  return (
    <Stack gap="lg">
      {editing ? (
        <Panel title="Edit">
          <UserEditor user={user} onDone={() => setEditing(false)} />
        </Panel>
      ) : (
        <UserFacts user={user} onEdit={mayEdit ? () => setEditing(true) : undefined} />
      )}
      {user.moved_credentials > 0 && (
        <Notice tone="attention" role="status">
          {plural(user.moved_credentials, "credential")} {user.moved_credentials === 1 ? "was" : "were"} issued before
          the user got this role or these tags. Brokers go by what it is now; unmodified nats-servers refuse{" "}
          {user.moved_credentials === 1 ? "it" : "them"} until you rotate.
        </Notice>
      )}
      <Panel flush title="Creds" actions={issueButton}>
        <Loaded query={credentials} what="the creds" skeleton={<TableSkeleton rows={2} />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            return rows.length === 0 ? (
              <EmptyState icon={<KeyRound size={28} />} title="No creds yet">
                Creds are the file a client connects with. Issue a second before you revoke the first, and nothing stops
                while you roll it out.
              </EmptyState>
            ) : (
              <>
                <CredentialList
                  credentials={rows}
                  uses={uses}
                  onRotate={mayEdit ? setRotating : undefined}
                  onRevoke={mayEdit ? setRevoking : undefined}
                />
                <LoadMore
                  hasMore={credentials.hasNextPage}
                  loading={credentials.isFetchingNextPage}
                  onMore={() => void credentials.fetchNextPage()}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <DeviceLoginPanel user={user} uses={uses} mayEdit={mayEdit} />
      {mayEdit && <DeleteUser user={user} onDeleted={onDeleted} />}
      <IssueCredsDialog account={user.account_id} user={user} opened={issuing} onClose={() => setIssuing(false)} />
      <RevokeDialog credential={revoking} onClose={() => setRevoking(undefined)} />
      <RotateDialog
        user={user}
        credential={rotating}
        credentials={credentials.data?.pages.flatMap((page) => page.items) ?? []}
        onClose={() => setRotating(undefined)}
      />
    </Stack>
  );
}

function UserFacts({ user, onEdit }: { user: User; onEdit?: () => void }) {
  const roles = useInfiniteQuery(rolesOf(user.account_id));
  const role = roles.data?.pages.flatMap((page) => page.items).find((candidate) => candidate.id === user.role_id);
  const sentence = user.permissions
    ? roleSentence({ permissions: user.permissions, connection_types: [], source_networks: [] })
    : role && roleSentence(role);
  return (
    <Stack gap="sm">
      <Facts
        items={[
          [
            user.permissions ? "Permissions" : "Role",
            <div key="role">
              {user.permissions ? (
                <Text size="sm">Of its own</Text>
              ) : (
                <TextLink
                  to="/accounts/$account/roles/$role"
                  params={{ account: user.account_id, role: user.role_id }}
                  size="sm"
                >
                  {user.role_name}
                </TextLink>
              )}
              {sentence && (
                <Text size="sm" c="dimmed">
                  {sentence}
                </Text>
              )}
            </div>,
          ],
          ["Tags", user.tags.length > 0 ? <code key="tags">{user.tags.join(", ")}</code> : "None"],
          [
            "Connections at once",
            user.connections === null ? "As its role says" : formatLimit(user.connections, "count"),
          ],
          [
            "Connection types",
            user.connection_types.length === 0
              ? "As its role says"
              : user.connection_types.map((type) => connectionTypeNames[type]).join(", "),
          ],
          ["Id", <Key key="id" value={user.id} what="id" />],
          ["Created", <Time key="created" value={user.created_at} />],
        ]}
      />
      <Group gap="sm">
        {onEdit && (
          <Button variant="default" size="xs" leftSection={<Pencil size={14} />} onClick={onEdit}>
            Edit or move to another role
          </Button>
        )}
        <ButtonLink
          variant="default"
          size="xs"
          to="/accounts/$account/simulator"
          params={{ account: user.account_id }}
          search={{ user: user.id }}
        >
          May this user …?
        </ButtonLink>
      </Group>
    </Stack>
  );
}

function DeleteUser({ user, onDeleted }: { user: User; onDeleted: () => void }) {
  const queryClient = useQueryClient();
  const [opened, setOpened] = useState(false);
  const { act, pending, problem } = useAct(async () => {
    await deleteUser(user.id);
    onDeleted();
    await queryClient.invalidateQueries({ queryKey: ["accounts", user.account_id, "users"] });
  });
  return (
    <Group justify="space-between" gap="sm">
      <div>
        <Title order={3}>Delete user</Title>
        <Text size="sm" c="dimmed">
          Revokes all of its creds and logins and disconnects its clients.
        </Text>
      </div>
      <Button variant="default" c="var(--sb-stopped)" onClick={() => setOpened(true)}>
        Delete user
      </Button>
      <ConfirmByName
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Delete ${user.name}?`}
        name={user.name}
        verb="Delete user"
        pending={pending}
        onConfirm={act}
      >
        <Consequence user={user} />
        {problem && <ProblemNotice problem={problem} />}
      </ConfirmByName>
    </Group>
  );
}

function Consequence({ user }: { user: User }) {
  const connections = useConnections(user.account_id, (connection) => connection.user === user.name);
  return (
    <Text size="sm">
      {connections ? closesWords(connections) : "Closes its connections."} All of its creds and logins stop working at
      once, and this cannot be undone.
    </Text>
  );
}
