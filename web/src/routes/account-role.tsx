import { Drawer, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { rolesOf } from "../api/roles";
import { useAccount, useMayChange } from "../features/accounts/AccountContext";
import { Loaded } from "../features/problems/Loaded";
import { RoleEditor } from "../features/roles/RoleEditor";
import { PanelSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/accounts/$account/roles/$role");

export function AccountRolePage() {
  const { role: id } = route.useParams();
  const account = useAccount();
  const navigate = route.useNavigate();
  const roles = useInfiniteQuery(rolesOf(account.id));
  const mayEdit = useMayChange();
  const role = roles.data?.pages.flatMap((page) => page.items).find((candidate) => candidate.id === id);
  const close = () =>
    void navigate({ to: "/accounts/$account/roles", params: { account: account.id }, resetScroll: false });
  return (
    <Drawer
      opened
      onClose={close}
      position="right"
      size={680}
      title={id === "new" ? "Create role" : role ? `Role ${role.name}` : "Role"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Loaded query={roles} what="the role" skeleton={<PanelSkeleton lines={8} />}>
        {() =>
          id !== "new" && !role ? (
            <Text size="sm">This role was deleted, or is not this account's.</Text>
          ) : (
            <RoleEditor key={id} account={account} role={role} readOnly={!mayEdit} onClose={close} />
          )
        }
      </Loaded>
    </Drawer>
  );
}
