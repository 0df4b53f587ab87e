import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { KeySquare, Plus } from "lucide-react";
import { useState } from "react";
import { type ApiToken, apiTokensOf } from "../api/tenants";
import { Loaded } from "../features/problems/Loaded";
import { useMay } from "../features/shell/useTenant";
import { ApiTokenTable } from "../features/tenants/ApiTokenTable";
import { CreateApiTokenDialog } from "../features/tenants/CreateApiTokenDialog";
import { DeleteApiTokenDialog } from "../features/tenants/DeleteApiTokenDialog";
import { EmptyState } from "../ui/EmptyState";
import { LoadMore } from "../ui/LoadMore";
import { Notice } from "../ui/Notice";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/t/$tenant/api-tokens");

export function ApiTokensPage() {
  const { tenant } = route.useParams();
  const admin = useMay("admin");
  const tokens = useInfiniteQuery({ ...apiTokensOf(tenant), enabled: admin });
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<ApiToken>();
  const createButton = admin && (
    <Button leftSection={<Plus size={16} />} onClick={() => setCreating(true)}>
      Create API token
    </Button>
  );
  return (
    <Page
      title="API tokens"
      description="With one, a program does through the REST API what you do on these pages, in this team alone."
      actions={createButton}
    >
      {admin ? (
        <Panel flush>
          <Loaded query={tokens} what="the API tokens" skeleton={<TableSkeleton rows={3} />}>
            {({ pages }) => {
              const rows = pages.flatMap((page) => page.items);
              return rows.length === 0 ? (
                <EmptyState
                  icon={<KeySquare size={32} />}
                  title="No API tokens yet"
                  action={createButton}
                  command={`curl ${window.location.origin}/v1/tenants/${tenant}/accounts \\\n  -H "Authorization: Bearer $SIGNALBOX_TOKEN"`}
                >
                  Make one for each program or pipeline that provisions accounts, roles or users, with the least role
                  that does.
                </EmptyState>
              ) : (
                <>
                  <ApiTokenTable tokens={rows} onDelete={setDeleting} />
                  <LoadMore
                    hasMore={tokens.hasNextPage}
                    loading={tokens.isFetchingNextPage}
                    onMore={() => void tokens.fetchNextPage()}
                  />
                </>
              );
            }}
          </Loaded>
        </Panel>
      ) : (
        <Notice tone="info">Only admins and owners see a team's API tokens.</Notice>
      )}
      <CreateApiTokenDialog tenant={tenant} opened={creating} onClose={() => setCreating(false)} />
      <DeleteApiTokenDialog tenant={tenant} token={deleting} onClose={() => setDeleting(undefined)} />
    </Page>
  );
}
