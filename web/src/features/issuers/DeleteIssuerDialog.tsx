import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { dryRunOidcIssuerDeletion } from "../../api/dryRun";
import { deleteOidcIssuer, type OidcIssuer, oidcIssuersOf } from "../../api/oidcIssuers";
import { Consequence } from "../dryrun/Consequence";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";

type DeleteIssuerDialogProps = { issuer: OidcIssuer | undefined; onClose: () => void };

/** DeleteIssuerDialog says what closes before the issuer's tokens are taken no more. */
export function DeleteIssuerDialog({ issuer, onClose }: DeleteIssuerDialogProps) {
  return (
    <Modal
      opened={issuer !== undefined}
      onClose={onClose}
      title="Delete this issuer?"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {issuer && <DeleteForm key={issuer.id} issuer={issuer} onClose={onClose} />}
    </Modal>
  );
}

function DeleteForm({ issuer, onClose }: { issuer: OidcIssuer; onClose: () => void }) {
  const queryClient = useQueryClient();
  const { act, pending, problem } = useAct(async () => {
    await deleteOidcIssuer(issuer.id);
    await queryClient.invalidateQueries({ queryKey: oidcIssuersOf(issuer.account_id).queryKey });
    onClose();
  });
  return (
    <Stack gap="md">
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        Tokens of <code>{issuer.url}</code> let nobody in any more, and creds that were exchanged for them end.
      </Text>
      <Consequence about={["oidc-issuer", issuer.id]} run={() => dryRunOidcIssuerDeletion(issuer)} />
      {problem && <ProblemNotice problem={problem} />}
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={onClose} data-autofocus>
          Cancel
        </Button>
        <Button color="red.8" loading={pending} onClick={() => act()}>
          Delete issuer
        </Button>
      </Group>
    </Stack>
  );
}
