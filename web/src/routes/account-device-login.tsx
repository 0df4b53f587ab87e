import { getRouteApi } from "@tanstack/react-router";
import { DeviceLoginDrawer } from "../features/logins/DeviceLoginDrawer";

const route = getRouteApi("/signed-in/accounts/$account/authentication/device-logins/$deviceLogin");

export function AccountDeviceLoginPage() {
  const { account, deviceLogin } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <DeviceLoginDrawer
      key={deviceLogin}
      login={deviceLogin}
      onClose={() =>
        void navigate({ to: "/accounts/$account/authentication", params: { account }, search, resetScroll: false })
      }
    />
  );
}
