import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { accountsOf } from "../api/accounts";
import { me, type Me } from "../api/session";
import { Doorway } from "../features/shell/Doorway";
import { SignUpForm } from "../features/shell/SignUpForm";
import { TextLink } from "../ui/links";

export function SignUpPage() {
  const queryClient = useQueryClient();
  const navigate = useNavigate();

  // Straight to Connect of the first account: no empty dashboard comes before the first message.
  async function enter(signedUp: Me) {
    queryClient.clear();
    queryClient.setQueryData(me.queryKey, signedUp);
    const tenant = signedUp.memberships[0]?.tenant_id;
    if (!tenant) return navigate({ to: "/" });
    const accounts = await queryClient.fetchInfiniteQuery(accountsOf(tenant)).catch(() => undefined);
    const first = accounts?.pages[0]?.items[0];
    if (!first) return navigate({ to: "/t/$tenant", params: { tenant } });
    return navigate({ to: "/accounts/$account/connect", params: { account: first.id } });
  }

  return (
    <Doorway
      title="Sign up"
      lead="You get an isolated NATS account. The first message is a minute away."
      footer={
        <>
          Signed up before? <TextLink to="/log-in">Log in</TextLink>
        </>
      }
    >
      <SignUpForm onSignedUp={enter} />
    </Doorway>
  );
}
