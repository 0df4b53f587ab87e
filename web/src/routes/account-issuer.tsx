import { Drawer, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { oidcIssuersOf } from "../api/oidcIssuers";
import { useAccount, useMayChange } from "../features/accounts/AccountContext";
import { IssuerEditor } from "../features/issuers/IssuerEditor";
import { Loaded } from "../features/problems/Loaded";
import { PanelSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/accounts/$account/authentication/issuers/$issuer");

export function AccountIssuerPage() {
  const { issuer: id } = route.useParams();
  const account = useAccount();
  const navigate = route.useNavigate();
  const issuers = useInfiniteQuery(oidcIssuersOf(account.id));
  const mayEdit = useMayChange();
  const issuer = issuers.data?.pages.flatMap((page) => page.items).find((candidate) => candidate.id === id);
  const close = () =>
    void navigate({ to: "/accounts/$account/authentication", params: { account: account.id }, resetScroll: false });
  return (
    <Drawer
      opened
      onClose={close}
      position="right"
      size={720}
      title={id === "new" ? "Add token issuer" : "Token issuer"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Loaded query={issuers} what="the issuer" skeleton={<PanelSkeleton lines={8} />}>
        {() =>
          id !== "new" && !issuer ? (
            <Text size="sm">This issuer was deleted, or is not this account's.</Text>
          ) : (
            <IssuerEditor key={id} account={account} issuer={issuer} readOnly={!mayEdit} onClose={close} />
          )
        }
      </Loaded>
    </Drawer>
  );
}
