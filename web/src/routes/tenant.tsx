import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi, Outlet } from "@tanstack/react-router";
import { me } from "../api/session";
import { NotFound } from "../features/shell/NotFound";

const route = getRouteApi("/signed-in/t/$tenant");

export function TenantLayout() {
  const { tenant } = route.useParams();
  const { memberships } = useSuspenseQuery(me).data;
  return memberships.some((membership) => membership.tenant_id === tenant) ? <Outlet /> : <NotFound />;
}
