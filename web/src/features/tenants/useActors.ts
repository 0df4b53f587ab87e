import { useInfiniteQuery } from "@tanstack/react-query";
import { apiTokensOf, membersOf } from "../../api/tenants";
import { useMay, useTenant } from "../shell/useTenant";

/** useActors knows the people and API tokens of the page's tenant by id, as far as the person may see them. */
export function useActors(): Map<string, string> {
  const tenant = useTenant()?.tenant_id ?? "";
  const admin = useMay("admin");
  const members = useInfiniteQuery({ ...membersOf(tenant), enabled: tenant !== "" });
  const tokens = useInfiniteQuery({ ...apiTokensOf(tenant), enabled: admin });
  return new Map([
    ...(members.data?.pages ?? []).flatMap((page) =>
      page.items.map((member): [string, string] => [member.person_id, member.email]),
    ),
    ...(tokens.data?.pages ?? []).flatMap((page) =>
      page.items.map((token): [string, string] => [token.id, `API token ${token.name}`]),
    ),
  ]);
}
