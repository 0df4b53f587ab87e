import { useState } from "react";
import type { DeviceLoginCreated } from "../../api/deviceLogins";
import type { User } from "../../api/users";
import { type Loss, OnceDialog } from "../../ui/OnceDialog";
import { CreatedLogin } from "./CreatedLogin";
import { CreateLoginForm } from "./CreateLoginForm";

type CreateLoginDialogProps = { user: User; opened: boolean; onClose: () => void };

const uncopiedSecret: Loss = {
  title: "You have not copied the secret",
  consequence: "Closing forgets it. The login stays, but nobody could use it.",
  anyway: "Close without copying",
};

/**
 * CreateLoginDialog is kind, what that needs, create; then the secret, once. It is this component's state, so it is
 * forgotten with it: closing asks again while nobody has copied it.
 */
export function CreateLoginDialog({ user, opened, onClose }: CreateLoginDialogProps) {
  const [created, setCreated] = useState<DeviceLoginCreated>();
  const [saved, setSaved] = useState(false);

  function close() {
    setCreated(undefined);
    setSaved(false);
    onClose();
  }

  return (
    <OnceDialog
      opened={opened}
      title={created ? "Device login created" : `Create a device login for ${user.name}`}
      form={<CreateLoginForm user={user} onCreated={setCreated} onCancel={close} />}
      loss={created?.secret !== undefined && !saved && uncopiedSecret}
      onClose={close}
    >
      {created && <CreatedLogin created={created} onSaved={() => setSaved(true)} />}
    </OnceDialog>
  );
}
