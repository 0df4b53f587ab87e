import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { detachServer, type Server } from "../../api/operators";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";

export function DetachServerDialog({ server, onClose }: { server?: Server; onClose: () => void }) {
  const queryClient = useQueryClient();
  const { act, pending, problem } = useAct(async () => {
    if (!server) return;
    await detachServer(server.id);
    onClose();
    await queryClient.invalidateQueries({ queryKey: ["operators", server.operator_id] });
  });
  return (
    <Modal
      opened={server !== undefined}
      onClose={onClose}
      title={server ? `Detach ${server.name}?` : ""}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack gap="md">
        <Text size="sm">
          It keeps the accounts that it has and hears of no change any more: creds that are revoked from now on still
          work there. Take it out of service first.
        </Text>
        {problem && <ProblemNotice problem={problem} />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose} data-autofocus>
            Cancel
          </Button>
          <Button color="red.8" loading={pending} onClick={act}>
            Detach server
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
