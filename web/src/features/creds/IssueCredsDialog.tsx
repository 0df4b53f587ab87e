import { Button, Group, Modal, Stack } from "@mantine/core";
import { useState } from "react";
import type { User } from "../../api/users";
import { IssuedCreds, UnsavedNotice } from "./IssuedCreds";
import { IssueForm, type Outcome } from "./IssueForm";

type IssueCredsDialogProps = {
  account: string;
  /** Whom to issue creds for; a new user is made when absent. */
  user?: User;
  opened: boolean;
  /** Told who has creds now, when some were issued or the user was made. */
  onClose: (user?: User) => void;
};

/**
 * IssueCredsDialog is name, role, expiry, issue; then the file, once. What was issued is this component's state, so it
 * is forgotten with it: closing asks again while the file has not been saved.
 */
export function IssueCredsDialog({ account, user, opened, onClose }: IssueCredsDialogProps) {
  const [outcome, setOutcome] = useState<Outcome>({});
  const [saved, setSaved] = useState(false);
  const [warned, setWarned] = useState(false);
  const { issued, made } = outcome;
  const unsaved = issued?.creds !== undefined && !saved;

  function close() {
    if (unsaved && !warned) {
      setWarned(true);
      return;
    }
    setOutcome({});
    setSaved(false);
    setWarned(false);
    onClose(issued || made ? (made ?? user) : undefined);
  }

  return (
    <Modal
      opened={opened}
      onClose={close}
      size="lg"
      closeOnClickOutside={!issued}
      title={issued ? "Creds issued" : user ? `Issue creds for ${user.name}` : "Create user"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {issued ? (
        <Stack gap="md">
          <IssuedCreds issued={issued} onSaved={() => setSaved(true)} />
          {unsaved && warned && <UnsavedNotice />}
          <Group justify="flex-end">
            <Button variant={unsaved ? "default" : "filled"} onClick={close}>
              {unsaved && warned ? "Close without saving" : "Done"}
            </Button>
          </Group>
        </Stack>
      ) : (
        <IssueForm account={account} user={made ?? user} isNew={!user} onChange={setOutcome} onCancel={close} />
      )}
    </Modal>
  );
}
