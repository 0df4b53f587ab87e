import { Stack } from "@mantine/core";
import { useAccount, useMayChange } from "../features/accounts/AccountContext";
import { IssuerPanel } from "../features/issuers/IssuerPanel";

export function AccountAuthenticationPage() {
  const account = useAccount();
  const mayEdit = useMayChange();
  return (
    <Stack gap="lg">
      <IssuerPanel account={account} mayEdit={mayEdit} />
    </Stack>
  );
}
