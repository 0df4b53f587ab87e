import { Navigate } from "@tanstack/react-router";
import { useSuspenseQuery } from "@tanstack/react-query";
import { me } from "../api/session";
import { lastTenant } from "../features/shell/lastTenant";
import { EmptyState } from "../ui/EmptyState";
import { Building2 } from "lucide-react";

export function HomePage() {
  const { memberships } = useSuspenseQuery(me).data;
  const tenant = memberships.find((membership) => membership.tenant_id === lastTenant()) ?? memberships[0];
  if (tenant) return <Navigate to="/t/$tenant" params={{ tenant: tenant.tenant_id }} replace />;
  return (
    <EmptyState icon={<Building2 size={32} />} title="You are in no team">
      A team owns accounts, and yours have let you go. Ask an owner to take you in again, or sign up with another e-mail
      address.
    </EmptyState>
  );
}
