import { Text } from "@mantine/core";
import { useInfiniteQuery, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { me } from "../api/session";
import { membersOf } from "../api/tenants";
import { Loaded } from "../features/problems/Loaded";
import { MemberTable } from "../features/tenants/MemberTable";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/t/$tenant/members");

export function MembersPage() {
  const { tenant } = route.useParams();
  const { person } = useSuspenseQuery(me).data;
  const members = useInfiniteQuery(membersOf(tenant));
  return (
    <Page title="Members" description="The people of this team, and what each may do in all of its accounts.">
      <Panel flush>
        <Loaded query={members} what="the members" skeleton={<TableSkeleton rows={3} />}>
          {({ pages }) => (
            <>
              <MemberTable members={pages.flatMap((page) => page.items)} self={person.id} />
              <LoadMore
                hasMore={members.hasNextPage}
                loading={members.isFetchingNextPage}
                onMore={() => void members.fetchNextPage()}
              />
            </>
          )}
        </Loaded>
      </Panel>
      <Text size="sm" c="dimmed">
        Owners and admins manage the team, developers its accounts, roles and users; viewers look. Each may do what
        those after it may.
      </Text>
    </Page>
  );
}
