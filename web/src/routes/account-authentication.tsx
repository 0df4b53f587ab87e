import { Stack } from "@mantine/core";
import { getRouteApi, Outlet, useParams } from "@tanstack/react-router";
import { useAccount, useMayChange } from "../features/accounts/AccountContext";
import { AuthorityPanel } from "../features/authorities/AuthorityPanel";
import { CalloutPanel } from "../features/callout/CalloutPanel";
import { SigningKeyPanel } from "../features/callout/SigningKeyPanel";
import { IssuerPanel } from "../features/issuers/IssuerPanel";
import { AccountLoginsPanel } from "../features/logins/AccountLoginsPanel";

const route = getRouteApi("/signed-in/accounts/$account/authentication");

export function AccountAuthenticationPage() {
  const account = useAccount();
  const mayEdit = useMayChange();
  const { deviceLogin: open } = useParams({ strict: false });
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <>
      <Stack gap="lg">
        <AccountLoginsPanel
          account={account}
          filter={filter}
          onFilter={(search) => void navigate({ search, resetScroll: false })}
          open={open}
          mayEdit={mayEdit}
        />
        <AuthorityPanel account={account} mayEdit={mayEdit} />
        <IssuerPanel account={account} mayEdit={mayEdit} />
        <CalloutPanel account={account} mayEdit={mayEdit} />
        <SigningKeyPanel account={account} mayEdit={mayEdit} />
      </Stack>
      <Outlet />
    </>
  );
}
