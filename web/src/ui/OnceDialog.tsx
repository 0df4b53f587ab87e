import { Button, Group, Modal, Stack } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Notice } from "./Notice";

/** What leaving would lose for good, and the word for leaving all the same. */
export type Loss = { title: string; consequence: string; anyway: string };

/** useLeaving stands in the way once while there is something to lose. */
export function useLeaving(loss?: Loss | false) {
  const [asked, setAsked] = useState(false);
  const warned = asked && loss;
  function leave(go: () => void) {
    setAsked(!warned && Boolean(loss));
    if (warned || !loss) go();
  }
  return { loss, warned, leave };
}

type LeaveButtonProps = { leaving: ReturnType<typeof useLeaving>; verb: string; onLeave: () => void };

/** LeaveButton is the way on from something that is shown this once. */
export function LeaveButton({ leaving: { loss, warned, leave }, verb, onLeave }: LeaveButtonProps) {
  return (
    <>
      {warned && (
        <Notice tone="stopped" role="alert" title={warned.title}>
          {warned.consequence}
        </Notice>
      )}
      <Group justify="flex-end">
        <Button variant={loss ? "default" : "filled"} onClick={() => leave(onLeave)}>
          {warned ? warned.anyway : verb}
        </Button>
      </Group>
    </>
  );
}

type OnceDialogProps = {
  opened: boolean;
  title: string;
  /** Asks for what is needed, while there is nothing to show yet. */
  form: ReactNode;
  /** What came of it. The caller's state holds it, and forgets it in onClose. */
  children: ReactNode;
  loss?: Loss | false;
  /** On the button that closes it. */
  verb?: string;
  onClose: () => void;
};

/** OnceDialog makes something and shows it, this once: a click beside it does not close it then. */
export function OnceDialog({ opened, title, form, children, loss, verb = "Done", onClose }: OnceDialogProps) {
  const leaving = useLeaving(loss);
  return (
    <Modal
      opened={opened}
      onClose={() => leaving.leave(onClose)}
      size="lg"
      closeOnClickOutside={!children}
      title={title}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {children ? (
        <Stack gap="md">
          {children}
          <LeaveButton leaving={leaving} verb={verb} onLeave={onClose} />
        </Stack>
      ) : (
        form
      )}
    </Modal>
  );
}
