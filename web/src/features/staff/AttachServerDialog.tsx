import { Modal, Text, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { attachServer } from "../../api/operators";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";

type AttachServerDialogProps = { operator: string; opened: boolean; onClose: () => void };

export function AttachServerDialog({ operator, opened, onClose }: AttachServerDialogProps) {
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      size="lg"
      title="Attach a nats-server"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <AttachForm operator={operator} onClose={onClose} />
    </Modal>
  );
}

function AttachForm({ operator, onClose }: { operator: string; onClose: () => void }) {
  const queryClient = useQueryClient();
  const withKey = useIdempotencyKey();
  const [name, setName] = useState("");
  const [lines, setLines] = useState("");
  const urls = lines.split(/\s+/).filter((url) => url !== "");
  const { act, pending, problem } = useAct(async () => {
    const body = { name: name.trim(), urls };
    await withKey(body, (key) => attachServer(operator, body, key));
    onClose();
    await queryClient.invalidateQueries({ queryKey: ["operators", operator] });
  });
  const errors = placeFieldErrors(problem, ["/name", "/urls"], (pointer) => urls[Number(pointer.split("/")[2])]);
  return (
    <ActForm verb="Attach server" pending={pending} problem={problem} errors={errors} onSubmit={act} onCancel={onClose}>
      <Text size="sm" c="dimmed">
        Its configuration comes from <code>/v1/operators/{operator}/server-config</code>. Every change is pushed to it
        and read back.
      </Text>
      <TextInput
        label="Name"
        placeholder="edge"
        data-autofocus
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={errors.at("/name")}
      />
      <Textarea
        label="URLs"
        description="Where control reaches it, one a line: of one server, or of several of one cluster."
        placeholder="nats://10.0.0.7:4222"
        autosize
        minRows={2}
        value={lines}
        onChange={(event) => setLines(event.currentTarget.value)}
        error={errors.at("/urls")}
      />
    </ActForm>
  );
}
