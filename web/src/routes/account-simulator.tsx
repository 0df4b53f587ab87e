import { getRouteApi } from "@tanstack/react-router";
import { useAccount } from "../features/accounts/AccountContext";
import { Simulator } from "../features/simulator/Simulator";

const route = getRouteApi("/signed-in/accounts/$account/simulator");

export function AccountSimulatorPage() {
  const account = useAccount();
  const { user } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <Simulator
      account={account}
      user={user}
      onUser={(next) => void navigate({ search: { user: next }, replace: true, resetScroll: false })}
    />
  );
}
