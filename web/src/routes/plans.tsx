import { Button } from "@mantine/core";
import { useInfiniteQuery, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { plans } from "../api/plans";
import { me } from "../api/session";
import { PlanDrawer } from "../features/plans/PlanEditor";
import { PlanTable } from "../features/plans/PlanTable";
import { Loaded } from "../features/problems/Loaded";
import { NotFound } from "../features/shell/NotFound";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/plans");

export function PlansPage() {
  const { person } = useSuspenseQuery(me).data;
  return person.is_staff ? <Plans /> : <NotFound />;
}

function Plans() {
  const list = useInfiniteQuery(plans);
  const { create } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <Page
      title="Plans"
      description="What tenants buy: the most that each may have, and each of its accounts."
      actions={
        <Button leftSection={<Plus size={16} />} onClick={() => void navigate({ search: { create: true } })}>
          Create plan
        </Button>
      }
    >
      <Panel flush>
        <Loaded query={list} what="the plans" skeleton={<TableSkeleton rows={2} />}>
          {({ pages }) => <PlanTable plans={pages.flatMap((page) => page.items)} />}
        </Loaded>
        <LoadMore
          hasMore={list.hasNextPage}
          loading={list.isFetchingNextPage}
          onMore={() => void list.fetchNextPage()}
        />
      </Panel>
      <PlanDrawer
        opened={create === true}
        onSaved={(plan) => void navigate({ to: "/plans/$plan", params: { plan: plan.id }, search: {} })}
        onClose={() => void navigate({ search: {} })}
      />
    </Page>
  );
}
