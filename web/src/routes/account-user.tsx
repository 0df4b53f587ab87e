import { getRouteApi } from "@tanstack/react-router";
import { UserDrawer } from "../features/users/UserDrawer";

const route = getRouteApi("/signed-in/accounts/$account/users/$user");

export function AccountUserPage() {
  const { account, user } = route.useParams();
  const navigate = route.useNavigate();
  return (
    <UserDrawer
      key={user}
      user={user}
      onClose={() => void navigate({ to: "/accounts/$account/users", params: { account }, resetScroll: false })}
    />
  );
}
