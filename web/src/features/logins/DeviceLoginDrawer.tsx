import { Button, Drawer, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type DeviceLogin, deviceLoginById, deviceLoginHistory } from "../../api/deviceLogins";
import { PanelSkeleton } from "../../ui/Skeletons";
import { CredentialDetail } from "../creds/CredentialDetail";
import { Loaded } from "../problems/Loaded";
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
  const history = useInfiniteQuery(deviceLoginHistory(login.id));
  const [revoking, setRevoking] = useState(false);
  return (
    <>
      <CredentialDetail
        credential={login}
        first={[
          [
            "What it shows",
            <Text key="kind" size="sm" style={{ overflowWrap: "anywhere" }}>
              {loginDetail(login)}
            </Text>,
          ],
        ]}
        began={{ word: "Created", at: login.created_at, by: login.created_by }}
        history={history}
      >
        <Button variant="default" c="var(--sb-stopped)" onClick={() => setRevoking(true)}>
          Revoke
        </Button>
      </CredentialDetail>
      <RevokeLoginDialog login={revoking ? login : undefined} onClose={() => setRevoking(false)} />
    </>
  );
}
