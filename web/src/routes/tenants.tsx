import { Group, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { useState } from "react";
import type { Sort } from "../api/accounts";
import { me } from "../api/session";
import { type Tenant, tenants } from "../api/tenants";
import { Loaded } from "../features/problems/Loaded";
import { NotFound } from "../features/shell/NotFound";
import { TenantPlanDialog } from "../features/staff/TenantPlanDialog";
import { TenantTable } from "../features/staff/TenantTable";
import { EmptyState } from "../ui/EmptyState";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const sorts = [
  { value: "-created_at", label: "Newest first" },
  { value: "created_at", label: "Oldest first" },
  { value: "name", label: "Name, A to Z" },
  { value: "-name", label: "Name, Z to A" },
];

export function TenantsPage() {
  const { person } = useSuspenseQuery(me).data;
  return person.is_staff ? <Tenants /> : <NotFound />;
}

function Tenants() {
  const [q, setQ] = useState("");
  const [sort, setSort] = useState<Sort>("-created_at");
  const [asked] = useDebouncedValue(q.trim(), 200);
  const list = useInfiniteQuery({
    ...tenants({ q: asked || undefined, sort }),
    placeholderData: keepPreviousData,
  });
  const [moving, setMoving] = useState<Tenant>();
  return (
    <Page title="Tenants" description="Everybody on this installation, and the plan that each is on.">
      <Panel flush>
        <Group gap="sm" p="sm">
          <TextInput
            aria-label="Search tenants by name"
            placeholder="Search by name"
            leftSection={<Search size={15} />}
            style={{ flex: "1 1 12rem" }}
            value={q}
            onChange={(event) => setQ(event.currentTarget.value)}
          />
          <Select
            aria-label="Sort tenants"
            data={sorts}
            value={sort}
            onChange={(next) => setSort((next ?? "-created_at") as Sort)}
            w={170}
          />
        </Group>
        <Loaded query={list} what="the tenants" skeleton={<TableSkeleton />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            return rows.length === 0 ? (
              <EmptyState
                icon={<Search size={32} />}
                title={asked ? `No tenant is called “${asked}”` : "No tenants yet"}
              >
                {asked
                  ? "Names are searched for any part of them, whatever its case."
                  : "A tenant is made when somebody signs up."}
              </EmptyState>
            ) : (
              <>
                <TenantTable tenants={rows} onMove={setMoving} />
                <LoadMore
                  hasMore={list.hasNextPage}
                  loading={list.isFetchingNextPage}
                  onMore={() => void list.fetchNextPage()}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <TenantPlanDialog tenant={moving} onClose={() => setMoving(undefined)} />
    </Page>
  );
}
