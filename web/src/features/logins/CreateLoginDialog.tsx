import { Button, Group, Modal, Stack } from "@mantine/core";
import { useState } from "react";
import type { DeviceLoginCreated } from "../../api/deviceLogins";
import type { User } from "../../api/users";
import { Notice } from "../../ui/Notice";
import { CreatedLogin } from "./CreatedLogin";
import { CreateLoginForm } from "./CreateLoginForm";

type CreateLoginDialogProps = { user: User; opened: boolean; onClose: () => void };

/**
 * CreateLoginDialog is kind, what that needs, create; then the secret, once. It is this component's state, so it is
 * forgotten with it: closing asks again while nobody has copied it.
 */
export function CreateLoginDialog({ user, opened, onClose }: CreateLoginDialogProps) {
  const [created, setCreated] = useState<DeviceLoginCreated>();
  const [saved, setSaved] = useState(false);
  const [warned, setWarned] = useState(false);
  const unsaved = created?.secret !== undefined && !saved;

  function close() {
    if (unsaved && !warned) {
      setWarned(true);
      return;
    }
    setCreated(undefined);
    setSaved(false);
    setWarned(false);
    onClose();
  }

  return (
    <Modal
      opened={opened}
      onClose={close}
      size="lg"
      closeOnClickOutside={!created}
      title={created ? "Device login created" : `Create a device login for ${user.name}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {created ? (
        <Stack gap="md">
          <CreatedLogin created={created} onSaved={() => setSaved(true)} />
          {unsaved && warned && (
            <Notice tone="stopped" role="alert" title="You have not copied the secret">
              Closing forgets it. The login stays, but nobody could use it.
            </Notice>
          )}
          <Group justify="flex-end">
            <Button variant={unsaved ? "default" : "filled"} onClick={close}>
              {unsaved && warned ? "Close without copying" : "Done"}
            </Button>
          </Group>
        </Stack>
      ) : (
        <CreateLoginForm user={user} onCreated={setCreated} onCancel={close} />
      )}
    </Modal>
  );
}
