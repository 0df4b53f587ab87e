import { Button, Group, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Boxes, Plus, Search } from "lucide-react";
import { useState } from "react";
import { type Account, accountsOf, type Sort } from "../api/accounts";
import { AccountTable } from "../features/accounts/AccountTable";
import { CreateAccountDrawer } from "../features/accounts/CreateAccountDrawer";
import { Loaded } from "../features/problems/Loaded";
import { useMay } from "../features/shell/useTenant";
import { EmptyState } from "../ui/EmptyState";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/t/$tenant/accounts");

const sorts = [
  { value: "name", label: "Name, A to Z" },
  { value: "-name", label: "Name, Z to A" },
  { value: "-created_at", label: "Newest first" },
  { value: "created_at", label: "Oldest first" },
];

export function AccountsPage() {
  const { tenant } = route.useParams();
  const { create = false } = route.useSearch();
  const navigate = route.useNavigate();
  const mayCreate = useMay("developer");
  const [q, setQ] = useState("");
  const [sort, setSort] = useState<Sort>("name");
  const [asked] = useDebouncedValue(q.trim(), 200);
  const accounts = useInfiniteQuery({
    ...accountsOf(tenant, { q: asked || undefined, sort }),
    placeholderData: keepPreviousData,
  });
  const setCreating = (creating: boolean) => void navigate({ search: creating ? { create: true } : {} });
  const opened = (account: Account) =>
    void navigate({ to: "/accounts/$account/connect", params: { account: account.id } });

  const createButton = mayCreate && (
    <Button leftSection={<Plus size={16} />} onClick={() => setCreating(true)}>
      Create account
    </Button>
  );
  return (
    <Page
      title="Accounts"
      description="Each is a world of its own: its subjects, streams and queue groups meet nobody else's."
      actions={createButton}
    >
      <Panel flush>
        <Group gap="sm" p="sm">
          <TextInput
            aria-label="Search accounts by name"
            placeholder="Search by name"
            leftSection={<Search size={15} />}
            style={{ flex: "1 1 12rem" }}
            value={q}
            onChange={(event) => setQ(event.currentTarget.value)}
          />
          <Select
            aria-label="Sort accounts"
            data={sorts}
            value={sort}
            onChange={(next) => setSort((next ?? "name") as Sort)}
            w={170}
          />
        </Group>
        <Loaded query={accounts} what="the accounts" skeleton={<TableSkeleton />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            if (rows.length === 0 && asked) {
              return (
                <EmptyState icon={<Search size={32} />} title={`No account is called “${asked}”`}>
                  Names are searched for any part of them, whatever its case.
                </EmptyState>
              );
            }
            if (rows.length === 0) {
              return (
                <EmptyState
                  icon={<Boxes size={32} />}
                  title="No accounts yet"
                  action={createButton}
                  command={`curl -X POST ${window.location.origin}/v1/tenants/${tenant}/accounts \\\n  -H "Authorization: Bearer $SIGNALBOX_TOKEN" \\\n  -H "Content-Type: application/json" -d '{"name":"orders"}'`}
                >
                  An account keeps one application's or one team's messages apart from all others. Make one for each
                  thing that must not see the rest.
                </EmptyState>
              );
            }
            return (
              <>
                <AccountTable accounts={rows} />
                <LoadMore
                  hasMore={accounts.hasNextPage}
                  loading={accounts.isFetchingNextPage}
                  onMore={() => void accounts.fetchNextPage()}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <CreateAccountDrawer tenant={tenant} opened={create} onClose={() => setCreating(false)} onCreated={opened} />
    </Page>
  );
}
