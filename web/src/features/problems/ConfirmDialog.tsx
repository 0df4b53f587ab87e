import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { ProblemNotice } from "./ProblemNotice";
import { useAct } from "./useAct";

type ConfirmDialogProps = {
  /** The question; the dialog is closed when absent. */
  title?: string;
  /** The consequence. */
  children: ReactNode;
  verb: string;
  work: () => Promise<void>;
  onClose: () => void;
};

/** ConfirmDialog asks before something is taken away, and stays open when that did not work. */
export function ConfirmDialog({ title, onClose, ...rest }: ConfirmDialogProps) {
  return (
    <Modal opened={title !== undefined} onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <Question {...rest} onClose={onClose} />
    </Modal>
  );
}

function Question({ children, verb, work, onClose }: Omit<ConfirmDialogProps, "title">) {
  const { act, pending, problem } = useAct(work);
  return (
    <Stack gap="md">
      <Text size="sm">{children}</Text>
      {problem && <ProblemNotice problem={problem} />}
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={onClose} data-autofocus>
          Cancel
        </Button>
        <Button color="red.8" loading={pending} onClick={act}>
          {verb}
        </Button>
      </Group>
    </Stack>
  );
}
