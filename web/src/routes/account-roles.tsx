import { useInfiniteQuery } from "@tanstack/react-query";
import { Outlet, useParams } from "@tanstack/react-router";
import { Plus, ShieldCheck } from "lucide-react";
import { rolesOf } from "../api/roles";
import { useAccount, useMayChange } from "../features/accounts/AccountContext";
import { Loaded } from "../features/problems/Loaded";
import { RoleTable } from "../features/roles/RoleTable";
import { EmptyState } from "../ui/EmptyState";
import { ButtonLink } from "../ui/links";
import { LoadMore } from "../ui/LoadMore";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

export function AccountRolesPage() {
  const account = useAccount();
  const { role: open } = useParams({ strict: false });
  const roles = useInfiniteQuery(rolesOf(account.id));
  const mayCreate = useMayChange();
  const createButton = mayCreate && (
    <ButtonLink
      to="/accounts/$account/roles/$role"
      params={{ account: account.id, role: "new" }}
      resetScroll={false}
      leftSection={<Plus size={16} />}
    >
      Create role
    </ButtonLink>
  );
  return (
    <>
      <Panel
        flush
        title="Roles"
        description="What users may do. Changing a role changes it for creds that are already out, and for clients connected now."
        actions={createButton}
      >
        <Loaded query={roles} what="the roles" skeleton={<TableSkeleton rows={3} />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            return rows.length === 0 ? (
              <EmptyState icon={<ShieldCheck size={32} />} title="No roles yet" action={createButton}>
                A role says which subjects its users may publish and subscribe to, how they may connect and from where.
              </EmptyState>
            ) : (
              <>
                <RoleTable roles={rows} open={open} />
                <LoadMore
                  hasMore={roles.hasNextPage}
                  loading={roles.isFetchingNextPage}
                  onMore={() => void roles.fetchNextPage()}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <Outlet />
    </>
  );
}
