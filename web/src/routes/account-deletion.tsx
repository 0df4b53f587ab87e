import { Text } from "@mantine/core";
import { useAccount } from "../features/accounts/AccountContext";
import { RetirementPanels } from "../features/retirement/RetirementPanels";

export function AccountDeletionPage() {
  const account = useAccount();
  if (account.status !== "deleting") return <Text size="sm">This account is not being deleted.</Text>;
  return <RetirementPanels account={account.id} />;
}
