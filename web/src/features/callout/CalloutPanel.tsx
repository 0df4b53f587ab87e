import { Button, Group, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { DoorOpen } from "lucide-react";
import { useState } from "react";
import { type Account, type AuthCallout, refusalsOf } from "../../api/accounts";
import { EmptyState } from "../../ui/EmptyState";
import { Facts } from "../../ui/Facts";
import { plural } from "../../ui/format";
import { Key } from "../../ui/Key";
import { ButtonLink } from "../../ui/links";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { RemoveFromAccountDialog } from "../accounts/RemoveFromAccountDialog";
import { CalloutDrawer } from "./CalloutDrawer";
import { AccountName, AuthUserName } from "./names";

type CalloutPanelProps = { account: Account; mayEdit: boolean };

/** CalloutPanel is the account's own authorization service: whether there is one, and what it leaves to it. */
export function CalloutPanel({ account, mayEdit }: CalloutPanelProps) {
  const { auth_callout: callout } = account;
  const [editing, setEditing] = useState(false);
  const [ending, setEnding] = useState(false);
  return (
    <>
      <Panel
        flush={!callout}
        title="Authorization service (auth callout)"
        description="A program of yours that brokers ask about each login. It answers with a user that it has signed."
        actions={
          callout &&
          mayEdit && (
            <Group gap="sm">
              <Button variant="default" c="var(--sb-stopped)" onClick={() => setEnding(true)}>
                Turn off
              </Button>
              <Button variant="default" onClick={() => setEditing(true)}>
                Change
              </Button>
            </Group>
          )
        }
      >
        {callout ? (
          <Stack gap="md">
            <CalloutFacts callout={callout} />
            {account.signing_keys.length === 0 && (
              <Notice tone="attention">
                The account has no signing key, so whatever the service answers lets nobody in. Add its key below.
              </Notice>
            )}
            <CalloutRefusals account={account.id} />
          </Stack>
        ) : (
          <EmptyState
            icon={<DoorOpen size={28} />}
            title="Brokers judge logins by themselves"
            action={
              mayEdit && (
                <Button variant="default" onClick={() => setEditing(true)}>
                  Leave logins to a service
                </Button>
              )
            }
          >
            Where a directory or a database of yours knows who may connect, a service can decide. Device logins and
            token issuers need no program that has to run: see first whether they do.
          </EmptyState>
        )}
      </Panel>
      {editing && <CalloutDrawer account={account} onClose={() => setEditing(false)} />}
      {ending && <EndDialog account={account} onClose={() => setEnding(false)} />}
    </>
  );
}

function CalloutFacts({ callout }: { callout: AuthCallout }) {
  return (
    <Facts
      items={[
        [
          "State",
          <Status key="state" tone="ok">
            On: the service decides about all others
          </Status>,
        ],
        [
          "Not left to it",
          <Stack key="users" gap={2}>
            {callout.auth_users.map((user) => (
              <AuthUserName key={user} id={user} />
            ))}
          </Stack>,
        ],
        [
          "May put users into",
          callout.allowed_accounts.length === 0 ? (
            <Text key="none" size="sm">
              This account only
            </Text>
          ) : (
            <Stack key="accounts" gap={2}>
              <Text size="sm">This account</Text>
              {callout.allowed_accounts.map((id) => (
                <AccountName key={id} id={id} />
              ))}
            </Stack>
          ),
        ],
        [
          "Requests",
          callout.xkey ? (
            <Text key="xkey" size="sm" component="div">
              Encrypted for <Key value={callout.xkey} what="encryption key" />
            </Text>
          ) : (
            <Status key="open" tone="attention">
              Not encrypted: who hears {"$SYS.>"} in the account reads what clients show
            </Status>
          ),
        ],
      ]}
    />
  );
}

/** CalloutRefusals says why logins failed for the service's sake, and where to read more. */
function CalloutRefusals({ account }: { account: string }) {
  const refusals = useInfiniteQuery({ ...refusalsOf(account), refetchInterval: 5_000 });
  const failed = refusals.data?.pages
    .flatMap((page) => page.items)
    .filter((refusal) => refusal.reason.startsWith("callout_"));
  const [last] = failed?.toSorted((one, other) => other.last_at.localeCompare(one.last_at)) ?? [];
  if (!failed || !last) return null;
  const times = failed.reduce((sum, { count }) => sum + count, 0);
  return (
    <Notice
      tone="attention"
      title={`Refused ${plural(times, "time")} by the service or for want of it`}
      actions={
        <ButtonLink size="xs" variant="default" to="/accounts/$account/connections" params={{ account }}>
          Refused logins
        </ButtonLink>
      }
    >
      Last <Time value={last.last_at} />: {last.explanation} {last.detail && <span>({last.detail})</span>}
    </Notice>
  );
}

function EndDialog({ account, onClose }: { account: Account; onClose: () => void }) {
  return (
    <RemoveFromAccountDialog
      account={account}
      change={() => ({ auth_callout: null })}
      about={["endCallout"]}
      title="Turn the authorization service off?"
      verb="Turn off"
      done="Turned off"
      meaning="Brokers judge logins by themselves again"
      shutsOut={false}
      onClose={onClose}
    >
      Whom the service has let in is disconnected. Creds and device logins of the account then get in by themselves,
      with what their roles allow, and nobody asks the service.
    </RemoveFromAccountDialog>
  );
}
