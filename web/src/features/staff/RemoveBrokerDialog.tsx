import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type Broker, removeBroker } from "../../api/operators";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";

export function RemoveBrokerDialog({ broker, onClose }: { broker?: Broker; onClose: () => void }) {
  const queryClient = useQueryClient();
  const { act, pending, problem } = useAct(async () => {
    if (!broker) return;
    await removeBroker(broker.id);
    onClose();
    await queryClient.invalidateQueries({ queryKey: ["operators", broker.operator_id] });
  });
  return (
    <Modal
      opened={broker !== undefined}
      onClose={onClose}
      title={broker ? `Remove ${broker.name}?` : ""}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack gap="md">
        <Text size="sm">
          Nothing waits for it any more, and its seat is revoked for good: started again, it lets nobody in. What is on
          its disk, streams of deleted accounts included, stays there. Destroy it.
        </Text>
        {problem && <ProblemNotice problem={problem} />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose} data-autofocus>
            Cancel
          </Button>
          <Button color="red.8" loading={pending} onClick={act}>
            Remove broker
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
