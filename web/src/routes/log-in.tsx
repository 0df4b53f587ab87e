import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { me } from "../api/session";
import { Doorway } from "../features/shell/Doorway";
import { LogInForm } from "../features/shell/LogInForm";
import { Notice } from "../ui/Notice";
import { TextLink } from "../ui/links";

const route = getRouteApi("/log-in");

export function LogInPage() {
  const search = route.useSearch();
  const queryClient = useQueryClient();
  const router = useRouter();
  return (
    <Doorway
      title="Log in"
      lead="Accounts, roles, users and creds are behind this door."
      footer={
        <>
          New here? <TextLink to="/sign-up">Sign up</TextLink>
        </>
      }
    >
      {search.return && (
        <Notice tone="info" role="status">
          Log in to go on to the page you asked for.
        </Notice>
      )}
      <LogInForm
        onLoggedIn={async (loggedIn) => {
          queryClient.clear();
          queryClient.setQueryData(me.queryKey, loggedIn);
          await router.navigate({ href: search.return ?? "/", replace: true });
        }}
      />
    </Doorway>
  );
}
