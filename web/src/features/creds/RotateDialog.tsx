import { Button, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { connectionsOf } from "../../api/accounts";
import type { Credential } from "../../api/credentials";
import type { User } from "../../api/users";
import { plural } from "../../ui/format";
import { Notice } from "../../ui/Notice";
import { LeaveButton, useLeaving } from "../../ui/OnceDialog";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { Track } from "../../ui/Track";
import { IssuedCreds, unsavedFile } from "./IssuedCreds";
import { IssueForm, type Outcome } from "./IssueForm";
import { RevokeForm } from "./RevokeDialog";
import { nameOf, usable } from "./usable";
import { UseList } from "./UseList";

type RotateDialogProps = {
  user: User;
  /** The credential to replace; closed when absent. */
  credential: Credential | undefined;
  /** All that the user has, to find a second one that was issued earlier on. */
  credentials: Credential[];
  onClose: () => void;
};

/** RotateDialog replaces a credential without an interruption: the second is issued, rolled out, and the first revoked. */
export function RotateDialog({ user, credential, credentials, onClose }: RotateDialogProps) {
  const [issued, setIssued] = useState<Outcome["issued"]>();
  const [saved, setSaved] = useState(false);
  const [second, setSecond] = useState<Credential>();
  const unsaved = issued?.creds !== undefined && !saved && !second;
  const leaving = useLeaving(unsaved && { ...unsavedFile, anyway: "Go on without saving" });

  function close() {
    setIssued(undefined);
    setSaved(false);
    setSecond(undefined);
    onClose();
  }

  const earlier = credentials.find(
    (candidate) => credential && usable(candidate) && candidate.issued_at > credential.issued_at,
  );
  return (
    <Modal
      opened={credential !== undefined}
      onClose={() => leaving.leave(close)}
      size="lg"
      closeOnClickOutside={!unsaved}
      title={credential ? `Rotate ${nameOf(credential)}` : ""}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {credential && (
        <Stack gap="md">
          <Track
            label="Steps of the rotation"
            steps={["Issue the second", "Roll it out, revoke the first"]}
            current={second ? 1 : 0}
          />
          {second ? (
            <RollOut first={credential} second={second} onClose={close} />
          ) : issued ? (
            <>
              <IssuedCreds issued={issued} onSaved={() => setSaved(true)} />
              <LeaveButton leaving={leaving} verb="Next: roll it out" onLeave={() => setSecond(issued.credential)} />
            </>
          ) : (
            <>
              <Text size="sm">
                Both work until you revoke the first, so nothing stops while you roll the second out.
              </Text>
              {earlier && (
                <Notice
                  tone="info"
                  actions={
                    <Button size="xs" variant="default" onClick={() => setSecond(earlier)}>
                      Go on with it
                    </Button>
                  }
                >
                  {nameOf(earlier)} was issued <Time value={earlier.issued_at} /> and can be the second.
                </Notice>
              )}
              <IssueForm
                account={user.account_id}
                user={user}
                isNew={false}
                suggestedName={credential.name}
                onChange={(outcome) => setIssued(outcome.issued)}
                onCancel={close}
              />
            </>
          )}
        </Stack>
      )}
    </Modal>
  );
}

/** RollOut shows who still uses the first until nobody does, and lets it be revoked at any time. */
function RollOut({ first, second, onClose }: { first: Credential; second: Credential; onClose: () => void }) {
  const { data } = useQuery({ ...connectionsOf(first.account_id), refetchInterval: 2_000 });
  const onFirst = data?.items.filter((connection) => connection.user_public_key === first.public_key);
  const onSecond = data?.items.filter((connection) => connection.user_public_key === second.public_key);
  return (
    <>
      <div aria-live="polite">
        {!onFirst || !onSecond ? (
          <Text size="sm" c="dimmed">
            Asking the brokers who uses which…
          </Text>
        ) : (
          <Stack gap={4}>
            {onFirst.length > 0 ? (
              <Status tone="attention">The first is still used by {plural(onFirst.length, "client")}</Status>
            ) : (
              <Status tone="ok">Nobody uses the first now</Status>
            )}
            {onSecond.length > 0 ? (
              <Status tone="ok">The second is used by {plural(onSecond.length, "client")}</Status>
            ) : (
              <Status tone="quiet">Nobody uses the second yet</Status>
            )}
          </Stack>
        )}
      </div>
      {onFirst && onFirst.length > 0 && <UseList label="Still using the first" connections={onFirst} />}
      <RevokeForm credential={first} suggestedReason="Rotated" leaveWord="Not yet" onClose={onClose} />
    </>
  );
}
