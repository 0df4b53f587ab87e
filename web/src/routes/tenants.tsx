import { keepPreviousData, useInfiniteQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Building2 } from "lucide-react";
import { useState } from "react";
import { me } from "../api/session";
import { type Tenant, tenants } from "../api/tenants";
import { SearchedList } from "../features/lists/SearchedList";
import { useListSearch } from "../features/lists/useListSearch";
import { NotFound } from "../features/shell/NotFound";
import { TenantPlanDialog } from "../features/staff/TenantPlanDialog";
import { TenantTable } from "../features/staff/TenantTable";
import { EmptyState } from "../ui/EmptyState";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";

export function TenantsPage() {
  const { person } = useSuspenseQuery(me).data;
  return person.is_staff ? <Tenants /> : <NotFound />;
}

function Tenants() {
  const search = useListSearch("-created_at");
  const list = useInfiniteQuery({
    ...tenants({ q: search.asked, sort: search.sort }),
    placeholderData: keepPreviousData,
  });
  const [moving, setMoving] = useState<Tenant>();
  return (
    <Page title="Tenants" description="Everybody on this installation, and the plan that each is on.">
      <Panel flush>
        <SearchedList
          noun="tenant"
          search={search}
          query={list}
          sortable
          empty={
            <EmptyState icon={<Building2 size={32} />} title="No tenants yet">
              A tenant is made when somebody signs up.
            </EmptyState>
          }
        >
          {(rows) => <TenantTable tenants={rows} onMove={setMoving} />}
        </SearchedList>
      </Panel>
      <TenantPlanDialog tenant={moving} onClose={() => setMoving(undefined)} />
    </Page>
  );
}
