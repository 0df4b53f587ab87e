import { Group, Stack, Text } from "@mantine/core";
import type { ComponentProps, ReactNode } from "react";
import type { Credential } from "../../api/credentials";
import { Facts } from "../../ui/Facts";
import { Key } from "../../ui/Key";
import { TextLink } from "../../ui/links";
import { Panel } from "../../ui/Panel";
import { Time } from "../../ui/Time";
import { useMayChange } from "../accounts/AccountContext";
import { useConnections } from "../accounts/closes";
import { Actor } from "../tenants/Actor";
import { useActors } from "../tenants/useActors";
import { CredentialHistory } from "./CredentialHistory";
import { CredentialState } from "./CredentialState";
import { LastSeen } from "./LastSeen";
import { usable } from "./usable";
import { UseList } from "./UseList";

type FactItems = ComponentProps<typeof Facts>["items"];

type CredentialDetailProps = {
  credential: ComponentProps<typeof CredentialState>["credential"] &
    Pick<Credential, "id" | "account_id" | "user_id" | "user" | "public_key" | "last_seen">;
  /** What only its kind has to say, before its state and at the end. */
  first?: FactItems;
  last?: FactItems;
  began: { word: string; at: string; by: string };
  history: ComponentProps<typeof CredentialHistory>["history"];
  /** The buttons, while it is usable and the person may. */
  children: ReactNode;
};

/** CredentialDetail is what creds and device logins have in common: whose, since when, who uses it now, what was done. */
export function CredentialDetail({
  credential,
  first = [],
  last = [],
  began,
  history,
  children,
}: CredentialDetailProps) {
  const { id, account_id: account, user_id: user, public_key: key } = credential;
  const mayEdit = useMayChange();
  const actors = useActors();
  const using = useConnections(account, (connection) => connection.user_public_key === key);
  return (
    <Stack gap="lg">
      <Facts
        items={[
          [
            "User",
            <TextLink key="user" to="/accounts/$account/users/$user" params={{ account, user }} size="sm">
              {credential.user}
            </TextLink>,
          ],
          ...first,
          ["State", <CredentialState key="state" credential={credential} />],
          ["Last seen", <LastSeen key="seen" seen={credential.last_seen} />],
          ["Public key", <Key key="key" value={key} what="public key" />],
          [
            began.word,
            <Text key="began" size="sm">
              <Time value={began.at} />
              {began.by && (
                <>
                  {" by "}
                  <Actor id={began.by} actors={actors} />
                </>
              )}
            </Text>,
          ],
          ...last,
        ]}
      />
      {using && using.length > 0 && (
        <Panel flush title="Used now by">
          <UseList label="Clients that use it now" connections={using} />
        </Panel>
      )}
      <CredentialHistory id={id} history={history} actors={actors} issued={began.word} />
      {mayEdit && usable(credential) && (
        <Group justify="flex-end" gap="sm">
          {children}
        </Group>
      )}
    </Stack>
  );
}
