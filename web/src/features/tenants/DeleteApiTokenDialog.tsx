import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ApiToken, deleteApiToken } from "../../api/tenants";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";

type DeleteApiTokenDialogProps = { tenant: string; token?: ApiToken; onClose: () => void };

export function DeleteApiTokenDialog({ tenant, token, onClose }: DeleteApiTokenDialogProps) {
  const queryClient = useQueryClient();
  const { act, pending, problem } = useAct(async () => {
    if (!token) return;
    await deleteApiToken(token.id);
    onClose();
    await queryClient.invalidateQueries({ queryKey: ["tenants", tenant, "api-tokens"] });
  });
  return (
    <Modal
      opened={token !== undefined}
      onClose={onClose}
      title={token ? `Delete ${token.name}?` : ""}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack gap="md">
        <Text size="sm">Programs that use it are refused from now on. What they made stays.</Text>
        {problem && <ProblemNotice problem={problem} />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose} data-autofocus>
            Cancel
          </Button>
          <Button color="red.8" loading={pending} onClick={act}>
            Delete API token
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
