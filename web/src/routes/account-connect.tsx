import { useAccount } from "../features/accounts/AccountContext";
import { Connect } from "../features/connect/Connect";

export function AccountConnectPage() {
  const account = useAccount();
  return <Connect key={account.id} account={account} />;
}
