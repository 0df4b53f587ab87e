import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";

type ConfirmByNameProps = {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** What has to be typed. */
  name: string;
  /** The consequence, with numbers. */
  children: ReactNode;
  verb: string;
  pending: boolean;
  onConfirm: () => void;
};

/** ConfirmByName guards what cannot be undone: the button works only when the thing's name has been typed. */
export function ConfirmByName({ opened, onClose, title, ...rest }: ConfirmByNameProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <ConfirmForm {...rest} onClose={onClose} />
    </Modal>
  );
}

function ConfirmForm({
  name,
  children,
  verb,
  pending,
  onConfirm,
  onClose,
}: Omit<ConfirmByNameProps, "opened" | "title">) {
  const [typed, setTyped] = useState("");
  const matches = typed === name;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (matches) onConfirm();
      }}
    >
      <Stack gap="md">
        {children}
        <TextInput
          label={
            <>
              Type <code>{name}</code> to confirm
            </>
          }
          data-autofocus
          autoComplete="off"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color="red.8" disabled={!matches} loading={pending}>
            {verb}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
