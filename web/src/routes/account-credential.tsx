import { getRouteApi } from "@tanstack/react-router";
import { CredentialDrawer } from "../features/creds/CredentialDrawer";

const route = getRouteApi("/signed-in/accounts/$account/credentials/$credential");

export function AccountCredentialPage() {
  const { account, credential } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <CredentialDrawer
      key={credential}
      credential={credential}
      onClose={() =>
        void navigate({ to: "/accounts/$account/credentials", params: { account }, search, resetScroll: false })
      }
    />
  );
}
