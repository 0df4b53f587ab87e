import { Button, Drawer, Group, MultiSelect, Stack, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, accountsOf, type AccountUpdate } from "../../api/accounts";
import { dryRunAccount } from "../../api/dryRun";
import { Notice } from "../../ui/Notice";
import { AccountChangeProblem, ChangeDone } from "../accounts/AccountChange";
import { useAccountChange } from "../accounts/useAccountChange";
import { DryRunPreview } from "../dryrun/DryRunPreview";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useFocusOnError } from "../problems/useAct";
import { AuthUserPicker } from "./AuthUserPicker";

type CalloutDrawerProps = { account: Account; onClose: () => void };

type CalloutForm = { users: string[]; accounts: string[]; xkey: string; signingKey: string };

const formOf = ({ auth_callout: callout }: Account): CalloutForm => ({
  users: callout?.auth_users ?? [],
  accounts: callout?.allowed_accounts ?? [],
  xkey: callout?.xkey ?? "",
  signingKey: "",
});

/** CalloutDrawer turns an account's authorization service on, or changes what it is asked. */
export function CalloutDrawer({ account, onClose }: CalloutDrawerProps) {
  const { base, act, pending, problem, done, takeTheirs } = useAccountChange(account);
  const [form, setForm] = useState(() => formOf(account));
  const [tried, setTried] = useState(false);
  const [turnedOn] = useState(account.auth_callout === null);
  const set = (change: Partial<CalloutForm>) => setForm((current) => ({ ...current, ...change }));
  const siblings = useInfiniteQuery(accountsOf(account.tenant_id, { sort: "name" }));
  const allowed = (siblings.data?.pages.flatMap((page) => page.items) ?? [])
    .filter(({ id, operator_id }) => id !== account.id && operator_id === account.operator_id)
    .map(({ id, name }) => ({ value: id, label: name }));

  const first = base.signing_keys.length === 0;
  const body: AccountUpdate = {
    auth_callout: { auth_users: form.users, allowed_accounts: form.accounts, xkey: form.xkey.trim() || null },
    ...(first &&
      form.signingKey.trim() && {
        signing_keys: [{ public_key: form.signingKey.trim(), description: "the authorization service" }],
      }),
  };
  const formRef = useFocusOnError(problem);
  const errors = placeFieldErrors(
    problem,
    [
      "/auth_callout/auth_users",
      "/auth_callout/allowed_accounts",
      "/auth_callout/xkey",
      ...(first ? ["/signing_keys"] : []),
    ],
    (pointer) => {
      const [, , list, index] = pointer.split("/");
      if (list === "auth_users") return form.users[Number(index)];
      return list === "allowed_accounts" ? form.accounts[Number(index)] : undefined;
    },
  );
  const nobody = form.users.length === 0;

  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size={640}
      title={turnedOn ? "Leave logins to a service" : "Change the authorization service"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {done ? (
        <ChangeDone
          account={account.id}
          title={turnedOn ? "The service decides about logins now" : "Saved"}
          onClose={onClose}
        />
      ) : (
        <form
          ref={formRef}
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            setTried(true);
            if (!nobody) act(body);
          }}
        >
          <Stack gap="md">
            {turnedOn && (
              <Notice tone="attention" title="This concerns everybody's login">
                Whoever you do not pick here is disconnected, and gets in again only when the service says so. Without
                an answer within two seconds nobody gets in: start the service as soon as this is on.
              </Notice>
            )}
            <AuthUserPicker
              account={account.id}
              value={form.users}
              onChange={(users) => set({ users })}
              error={
                errors.at("/auth_callout/auth_users") ??
                (tried && nobody ? "Pick at least the user that the service itself connects as." : undefined)
              }
            />
            {first && (
              <TextInput
                label="Signing key of the service"
                description="The public half of an account key pair, A…, of which only the service has the seed. Without one nobody whom it lets in gets in."
                styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
                autoComplete="off"
                value={form.signingKey}
                onChange={(event) => set({ signingKey: event.currentTarget.value })}
                error={errors.at("/signing_keys")}
              />
            )}
            <TextInput
              label="Encryption key"
              description="The service's public curve key, X…: requests, which hold what clients show, are encrypted for it. Optional."
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
              autoComplete="off"
              value={form.xkey}
              onChange={(event) => set({ xkey: event.currentTarget.value })}
              error={errors.at("/auth_callout/xkey")}
            />
            <MultiSelect
              label="Other accounts that it may put users into"
              description="It then signs with a signing key of that account. Optional."
              searchable
              hidePickedOptions
              nothingFoundMessage="The tenant has no other account like this"
              data={allowed}
              value={form.accounts}
              onChange={(accounts) => set({ accounts })}
              error={errors.at("/auth_callout/allowed_accounts")}
            />
            <DryRunPreview body={body} run={() => dryRunAccount(base, body)} disabled={nobody} />
            <AccountChangeProblem
              problem={problem}
              errors={errors}
              onTakeTheirs={() => void takeTheirs().then((theirs) => setForm(formOf(theirs)))}
            />
            <Group justify="flex-end" gap="sm">
              <Button variant="default" onClick={onClose}>
                Cancel
              </Button>
              <Button type="submit" loading={pending}>
                {turnedOn ? "Turn on" : "Save changes"}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Drawer>
  );
}
