import { Button, Group } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useParams } from "@tanstack/react-router";
import { Plus, UserRound } from "lucide-react";
import { useState } from "react";
import { usersOf } from "../api/users";
import { useAccount, useMayChange } from "../features/accounts/AccountContext";
import { BatchDialog } from "../features/creds/BatchDialog";
import { IssueCredsDialog } from "../features/creds/IssueCredsDialog";
import { SearchedList } from "../features/lists/SearchedList";
import { useListSearch } from "../features/lists/useListSearch";
import { UserTable } from "../features/users/UserTable";
import { EmptyState } from "../ui/EmptyState";
import { Panel } from "../ui/Panel";

export function AccountUsersPage() {
  const account = useAccount();
  const { user: open } = useParams({ strict: false });
  const navigate = useNavigate();
  const mayCreate = useMayChange();
  const [creating, setCreating] = useState(false);
  const [batching, setBatching] = useState(false);
  const search = useListSearch("name");
  const users = useInfiniteQuery({
    ...usersOf(account.id, { q: search.asked, sort: search.sort }),
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
        <SearchedList
          noun="user"
          search={search}
          query={users}
          empty={
            <EmptyState
              icon={<UserRound size={32} />}
              title="No users yet"
              action={createButton}
              command={`curl -X POST ${window.location.origin}/v1/accounts/${account.id}/users \\\n  -H "Authorization: Bearer $SIGNALBOX_TOKEN" \\\n  -H "Content-Type: application/json" -d '{"name":"billing"}'`}
            >
              A user is what connects: a service, a device, a person's laptop. Make one for each, so that you can tell
              them apart and revoke one without the others.
            </EmptyState>
          }
        >
          {(rows) => <UserTable users={rows} open={open} />}
        </SearchedList>
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
