import { useState } from "react";
import type { User } from "../../api/users";
import { OnceDialog } from "../../ui/OnceDialog";
import { IssuedCreds, unsavedFile } from "./IssuedCreds";
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
  const [{ issued, made }, setOutcome] = useState<Outcome>({});
  const [saved, setSaved] = useState(false);

  function close() {
    setOutcome({});
    setSaved(false);
    onClose(issued || made ? (made ?? user) : undefined);
  }

  return (
    <OnceDialog
      opened={opened}
      title={issued ? "Creds issued" : user ? `Issue creds for ${user.name}` : "Create user"}
      form={<IssueForm account={account} user={made ?? user} isNew={!user} onChange={setOutcome} onCancel={close} />}
      loss={issued?.creds !== undefined && !saved && unsavedFile}
      onClose={close}
    >
      {issued && <IssuedCreds issued={issued} onSaved={() => setSaved(true)} />}
    </OnceDialog>
  );
}
