import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { accountById } from "../../api/accounts";
import { me, type Membership } from "../../api/session";
import { lastTenant, rememberTenant } from "./lastTenant";

/** useTenant is the tenant that the page belongs to: the URL's, the account's, or the last one for all other pages. */
export function useTenant(): Membership | undefined {
  const { memberships } = useSuspenseQuery(me).data;
  const params = useParams({ strict: false });
  const account = useQuery({ ...accountById(params.account ?? ""), enabled: params.account !== undefined });
  const wanted = params.tenant ?? account.data?.tenant_id ?? lastTenant();
  const tenant = memberships.find((membership) => membership.tenant_id === wanted) ?? memberships[0];
  const id = tenant?.tenant_id;
  useEffect(() => {
    if (id) rememberTenant(id);
  }, [id]);
  return tenant;
}

const ranks = { viewer: 0, developer: 1, admin: 2, owner: 3 };

/** useMay tells whether the person's role in the page's tenant is at least this one, as the API's x-access says it. */
export function useMay(role: keyof typeof ranks): boolean {
  const tenant = useTenant();
  return tenant !== undefined && ranks[tenant.role] >= ranks[role];
}
