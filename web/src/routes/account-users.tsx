import { Button, Group, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useParams } from "@tanstack/react-router";
import { Plus, Search, UserRound } from "lucide-react";
import { useState } from "react";
import { usersOf } from "../api/users";
import { useAccount, useMayChange } from "../features/accounts/AccountContext";
import { BatchDialog } from "../features/creds/BatchDialog";
import { IssueCredsDialog } from "../features/creds/IssueCredsDialog";
import { Loaded } from "../features/problems/Loaded";
import { UserTable } from "../features/users/UserTable";
import { EmptyState } from "../ui/EmptyState";
import { LoadMore } from "../ui/LoadMore";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

export function AccountUsersPage() {
  const account = useAccount();
  const { user: open } = useParams({ strict: false });
  const navigate = useNavigate();
  const mayCreate = useMayChange();
  const [creating, setCreating] = useState(false);
  const [batching, setBatching] = useState(false);
  const [q, setQ] = useState("");
  const [asked] = useDebouncedValue(q.trim(), 200);
  const users = useInfiniteQuery({
    ...usersOf(account.id, { q: asked || undefined, sort: "name" }),
    placeholderData: keepPreviousData,
  });
  const createButton = mayCreate && (
    <Button leftSection={<Plus size={16} />} onClick={() => setCreating(true)}>
      Create user
    </Button>
  );
  return (
    <>
      <Panel
        flush
        title="Users"
        description="Who or what connects. Each holds any number of creds, revoked one by one."
        actions={
          mayCreate && (
            <Group gap="sm">
              <Button variant="default" onClick={() => setBatching(true)}>
                Issue to many
              </Button>
              {createButton}
            </Group>
          )
        }
      >
        <Group gap="sm" px="md" pb="sm">
          <TextInput
            aria-label="Search users by name"
            placeholder="Search by name"
            leftSection={<Search size={15} />}
            style={{ flex: 1 }}
            value={q}
            onChange={(event) => setQ(event.currentTarget.value)}
          />
        </Group>
        <Loaded query={users} what="the users" skeleton={<TableSkeleton />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            if (rows.length === 0) {
              return asked ? (
                <EmptyState icon={<Search size={32} />} title={`No user is called “${asked}”`}>
                  Names are searched for any part of them, whatever its case.
                </EmptyState>
              ) : (
                <EmptyState
                  icon={<UserRound size={32} />}
                  title="No users yet"
                  action={createButton}
                  command={`curl -X POST ${window.location.origin}/v1/accounts/${account.id}/users \\\n  -H "Authorization: Bearer $SIGNALBOX_TOKEN" \\\n  -H "Content-Type: application/json" -d '{"name":"billing"}'`}
                >
                  A user is what connects: a service, a device, a person's laptop. Make one for each, so that you can
                  tell them apart and revoke one without the others.
                </EmptyState>
              );
            }
            return (
              <>
                <UserTable users={rows} open={open} />
                <LoadMore
                  hasMore={users.hasNextPage}
                  loading={users.isFetchingNextPage}
                  onMore={() => void users.fetchNextPage()}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <IssueCredsDialog
        account={account.id}
        opened={creating}
        onClose={(user) => {
          setCreating(false);
          if (user) {
            void navigate({ to: "/accounts/$account/users/$user", params: { account: account.id, user: user.id } });
          }
        }}
      />
      <BatchDialog account={account.id} opened={batching} onClose={() => setBatching(false)} />
      <Outlet />
    </>
  );
}
