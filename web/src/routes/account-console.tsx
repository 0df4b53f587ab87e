import { useAccount } from "../features/accounts/AccountContext";
import { Console } from "../features/console/Console";

export function AccountConsolePage() {
  const account = useAccount();
  return <Console key={account.id} account={account} />;
}
