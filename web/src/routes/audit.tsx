import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ScrollText } from "lucide-react";
import { auditOf } from "../api/tenants";
import { Loaded } from "../features/problems/Loaded";
import { useMay } from "../features/shell/useTenant";
import { AuditTable } from "../features/tenants/AuditTable";
import { useActors } from "../features/tenants/useActors";
import { EmptyState } from "../ui/EmptyState";
import { LoadMore } from "../ui/LoadMore";
import { Notice } from "../ui/Notice";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/t/$tenant/audit");

export function AuditPage() {
  const { tenant } = route.useParams();
  const admin = useMay("admin");
  const events = useInfiniteQuery({ ...auditOf(tenant), enabled: admin });
  const actors = useActors();
  return (
    <Page title="Audit" description="Who did what in this team, newest first.">
      {admin ? (
        <Panel flush>
          <Loaded query={events} what="the audit" skeleton={<TableSkeleton />}>
            {({ pages }) => {
              const rows = pages.flatMap((page) => page.items);
              return rows.length === 0 ? (
                <EmptyState icon={<ScrollText size={32} />} title="Nothing has happened yet">
                  Every change to accounts, roles, users and creds is written down here with who made it.
                </EmptyState>
              ) : (
                <>
                  <AuditTable events={rows} actors={actors} />
                  <LoadMore
                    hasMore={events.hasNextPage}
                    loading={events.isFetchingNextPage}
                    onMore={() => void events.fetchNextPage()}
                  />
                </>
              );
            }}
          </Loaded>
        </Panel>
      ) : (
        <Notice tone="info">Only admins and owners see a team's audit.</Notice>
      )}
    </Page>
  );
}
