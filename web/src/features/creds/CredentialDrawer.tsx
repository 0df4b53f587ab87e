import { Button, Drawer } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Credential, credentialById, credentialsOf, historyOf } from "../../api/credentials";
import { userById } from "../../api/users";
import { PanelSkeleton } from "../../ui/Skeletons";
import { Time } from "../../ui/Time";
import { Loaded } from "../problems/Loaded";
import { CredentialDetail } from "./CredentialDetail";
import { RevokeDialog } from "./RevokeDialog";
import { RotateDialog } from "./RotateDialog";
import { nameOf } from "./usable";

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
        {(data) => <Creds credential={data} />}
      </Loaded>
    </Drawer>
  );
}

function Creds({ credential }: { credential: Credential }) {
  const history = useInfiniteQuery(historyOf(credential.id));
  const [revoking, setRevoking] = useState(false);
  const [rotating, setRotating] = useState(false);
  const user = useQuery({ ...userById(credential.user_id), enabled: rotating });
  const others = useInfiniteQuery({ ...credentialsOf(credential.user_id), enabled: rotating });
  return (
    <>
      <CredentialDetail
        credential={credential}
        began={{ word: "Issued", at: credential.issued_at, by: credential.issued_by }}
        last={[["Renewed", credential.renewed_at ? <Time key="renewed" value={credential.renewed_at} /> : "Never"]]}
        history={history}
      >
        <Button variant="default" c="var(--sb-stopped)" onClick={() => setRevoking(true)}>
          Revoke
        </Button>
        <Button onClick={() => setRotating(true)}>Rotate</Button>
      </CredentialDetail>
      <RevokeDialog credential={revoking ? credential : undefined} onClose={() => setRevoking(false)} />
      {user.data && others.data && (
        <RotateDialog
          user={user.data}
          credential={rotating ? credential : undefined}
          credentials={others.data.pages.flatMap((page) => page.items)}
          onClose={() => setRotating(false)}
        />
      )}
    </>
  );
}
