import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Bell } from "lucide-react";
import { eventsOf } from "../api/tenants";
import { Loaded } from "../features/problems/Loaded";
import { EventTable } from "../features/tenants/EventTable";
import { EmptyState } from "../ui/EmptyState";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/t/$tenant/events");

export function EventsPage() {
  const { tenant } = route.useParams();
  const events = useInfiniteQuery(eventsOf(tenant));
  return (
    <Page title="Events" description="What happened by itself in the last 90 days, newest first.">
      <Panel flush>
        <Loaded query={events} what="the events" skeleton={<TableSkeleton />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            return rows.length === 0 ? (
              <EmptyState icon={<Bell size={32} />} title="Nothing has happened by itself">
                When creds are about to expire, and when they have, it is written down here.
              </EmptyState>
            ) : (
              <>
                <EventTable events={rows} />
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
    </Page>
  );
}
