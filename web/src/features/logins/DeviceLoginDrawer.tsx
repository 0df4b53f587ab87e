import { Button, Drawer, Group, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type DeviceLogin, deviceLoginById, deviceLoginHistory } from "../../api/deviceLogins";
import { Facts } from "../../ui/Facts";
import { Key } from "../../ui/Key";
import { TextLink } from "../../ui/links";
import { Panel } from "../../ui/Panel";
import { PanelSkeleton } from "../../ui/Skeletons";
import { Time } from "../../ui/Time";
import { useMayChange } from "../accounts/AccountContext";
import { useConnections } from "../accounts/closes";
import { CredentialHistory } from "../creds/CredentialHistory";
import { CredentialState } from "../creds/CredentialState";
import { LastSeen } from "../creds/LastSeen";
import { usable } from "../creds/usable";
import { UseList } from "../creds/UseList";
import { Loaded } from "../problems/Loaded";
import { Actor } from "../tenants/Actor";
import { useActors } from "../tenants/useActors";
import { loginDetail, loginName } from "./loginWords";
import { RevokeLoginDialog } from "./RevokeLoginDialog";

/** DeviceLoginDrawer opens a device login beside the list: its state, who uses it now, what was done to it. */
export function DeviceLoginDrawer({ login: id, onClose }: { login: string; onClose: () => void }) {
  const login = useQuery(deviceLoginById(id));
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size={680}
      title={login.data ? `Device login ${loginName(login.data)} of ${login.data.user}` : "Device login"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Loaded query={login} what="the device login" skeleton={<PanelSkeleton lines={6} />}>
        {(data) => <LoginDetail login={data} />}
      </Loaded>
    </Drawer>
  );
}

function LoginDetail({ login }: { login: DeviceLogin }) {
  const mayEdit = useMayChange();
  const actors = useActors();
  const history = useInfiniteQuery(deviceLoginHistory(login.id));
  const using = useConnections(login.account_id, (connection) => connection.user_public_key === login.public_key);
  const [revoking, setRevoking] = useState(false);
  return (
    <Stack gap="lg">
      <Facts
        items={[
          [
            "User",
            <TextLink
              key="user"
              to="/accounts/$account/users/$user"
              params={{ account: login.account_id, user: login.user_id }}
              size="sm"
            >
              {login.user}
            </TextLink>,
          ],
          [
            "What it shows",
            <Text key="kind" size="sm" style={{ overflowWrap: "anywhere" }}>
              {loginDetail(login)}
            </Text>,
          ],
          ["State", <CredentialState key="state" credential={login} />],
          ["Last seen", <LastSeen key="seen" seen={login.last_seen} />],
          ["Public key", <Key key="key" value={login.public_key} what="public key" />],
          [
            "Created",
            <Text key="created" size="sm">
              <Time value={login.created_at} />
              {" by "}
              <Actor id={login.created_by} actors={actors} />
            </Text>,
          ],
        ]}
      />
      {using && using.length > 0 && (
        <Panel flush title="Used now by">
          <UseList label="Clients that use it now" connections={using} />
        </Panel>
      )}
      <CredentialHistory id={login.id} history={history} actors={actors} issued="Created" />
      {mayEdit && usable(login) && (
        <Group justify="flex-end">
          <Button variant="default" c="var(--sb-stopped)" onClick={() => setRevoking(true)}>
            Revoke
          </Button>
        </Group>
      )}
      <RevokeLoginDialog login={revoking ? login : undefined} onClose={() => setRevoking(false)} />
    </Stack>
  );
}
