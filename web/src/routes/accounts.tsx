import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Boxes, Plus } from "lucide-react";
import { type Account, accountsOf } from "../api/accounts";
import { AccountTable } from "../features/accounts/AccountTable";
import { CreateAccountDrawer } from "../features/accounts/CreateAccountDrawer";
import { SearchedList } from "../features/lists/SearchedList";
import { useListSearch } from "../features/lists/useListSearch";
import { useMay } from "../features/shell/useTenant";
import { EmptyState } from "../ui/EmptyState";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";

const route = getRouteApi("/signed-in/t/$tenant/accounts");

export function AccountsPage() {
  const { tenant } = route.useParams();
  const { create = false } = route.useSearch();
  const navigate = route.useNavigate();
  const mayCreate = useMay("developer");
  const search = useListSearch("name");
  const accounts = useInfiniteQuery({
    ...accountsOf(tenant, { q: search.asked, sort: search.sort }),
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
        <SearchedList
          noun="account"
          search={search}
          query={accounts}
          sortable
          empty={
            <EmptyState
              icon={<Boxes size={32} />}
              title="No accounts yet"
              action={createButton}
              command={`curl -X POST ${window.location.origin}/v1/tenants/${tenant}/accounts \\\n  -H "Authorization: Bearer $SIGNALBOX_TOKEN" \\\n  -H "Content-Type: application/json" -d '{"name":"orders"}'`}
            >
              An account keeps one application's or one team's messages apart from all others. Make one for each thing
              that must not see the rest.
            </EmptyState>
          }
        >
          {(rows) => <AccountTable accounts={rows} />}
        </SearchedList>
      </Panel>
      <CreateAccountDrawer tenant={tenant} opened={create} onClose={() => setCreating(false)} onCreated={opened} />
    </Page>
  );
}
