import { Button, Drawer, Group, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Credential, credentialById, credentialsOf, historyOf } from "../../api/credentials";
import { userById } from "../../api/users";
import { Facts } from "../../ui/Facts";
import { Key } from "../../ui/Key";
import { Panel } from "../../ui/Panel";
import { PanelSkeleton } from "../../ui/Skeletons";
import { TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";
import { useMayChange } from "../accounts/AccountContext";
import { useConnections } from "../accounts/closes";
import { Loaded } from "../problems/Loaded";
import { Actor } from "../tenants/Actor";
import { useActors } from "../tenants/useActors";
import { CredentialHistory } from "./CredentialHistory";
import { CredentialState } from "./CredentialState";
import { LastSeen } from "./LastSeen";
import { RevokeDialog } from "./RevokeDialog";
import { RotateDialog } from "./RotateDialog";
import { nameOf, usable } from "./usable";
import { UseList } from "./UseList";

/** CredentialDrawer opens a credential beside the list: its state, who uses it now, what was done to it. */
export function CredentialDrawer({ credential: id, onClose }: { credential: string; onClose: () => void }) {
  const credential = useQuery(credentialById(id));
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size={680}
      title={credential.data ? `Creds ${nameOf(credential.data)} of ${credential.data.user}` : "Creds"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Loaded query={credential} what="the creds" skeleton={<PanelSkeleton lines={6} />}>
        {(data) => <CredentialDetail credential={data} />}
      </Loaded>
    </Drawer>
  );
}

function CredentialDetail({ credential }: { credential: Credential }) {
  const mayEdit = useMayChange();
  const actors = useActors();
  const history = useInfiniteQuery(historyOf(credential.id));
  const using = useConnections(
    credential.account_id,
    (connection) => connection.user_public_key === credential.public_key,
  );
  const [revoking, setRevoking] = useState(false);
  const [rotating, setRotating] = useState(false);
  const user = useQuery({ ...userById(credential.user_id), enabled: rotating });
  const others = useInfiniteQuery({ ...credentialsOf(credential.user_id), enabled: rotating });
  return (
    <Stack gap="lg">
      <Facts
        items={[
          [
            "User",
            <TextLink
              key="user"
              to="/accounts/$account/users/$user"
              params={{ account: credential.account_id, user: credential.user_id }}
              size="sm"
            >
              {credential.user}
            </TextLink>,
          ],
          ["State", <CredentialState key="state" credential={credential} />],
          ["Last seen", <LastSeen key="seen" seen={credential.last_seen} />],
          ["Public key", <Key key="key" value={credential.public_key} what="public key" />],
          [
            "Issued",
            <Text key="issued" size="sm">
              <Time value={credential.issued_at} />
              {credential.issued_by && (
                <>
                  {" by "}
                  <Actor id={credential.issued_by} actors={actors} />
                </>
              )}
            </Text>,
          ],
          ["Renewed", credential.renewed_at ? <Time key="renewed" value={credential.renewed_at} /> : "Never"],
        ]}
      />
      {using && using.length > 0 && (
        <Panel flush title="Used now by">
          <UseList label="Clients that use it now" connections={using} />
        </Panel>
      )}
      <CredentialHistory id={credential.id} history={history} actors={actors} />
      {mayEdit && usable(credential) && (
        <Group justify="flex-end" gap="sm">
          <Button variant="default" c="var(--sb-stopped)" onClick={() => setRevoking(true)}>
            Revoke
          </Button>
          <Button onClick={() => setRotating(true)}>Rotate</Button>
        </Group>
      )}
      <RevokeDialog credential={revoking ? credential : undefined} onClose={() => setRevoking(false)} />
      {user.data && others.data && (
        <RotateDialog
          user={user.data}
          credential={rotating ? credential : undefined}
          credentials={others.data.pages.flatMap((page) => page.items)}
          onClose={() => setRotating(false)}
        />
      )}
    </Stack>
  );
}
