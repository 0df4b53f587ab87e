import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { Account, CertificateAuthority } from "../../api/accounts";
import { dryRunAccount } from "../../api/dryRun";
import { ChangeDone, ChangeProblem } from "../accounts/AccountChange";
import { useAccountChange } from "../accounts/useAccountChange";
import { Consequence } from "../dryrun/Consequence";
import { placeFieldErrors } from "../problems/fieldErrors";

type RemoveAuthorityDialogProps = { account: Account; authority: CertificateAuthority; onClose: () => void };

export function RemoveAuthorityDialog({ account, authority, onClose }: RemoveAuthorityDialogProps) {
  const { base, act, pending, problem, done, takeTheirs } = useAccountChange(account);
  const body = { certificate_authorities: base.certificate_authorities.filter((pem) => pem !== authority.pem) };
  return (
    <Modal
      opened
      onClose={onClose}
      title={done ? "Removed" : `Remove ${authority.subject || "this authority"}?`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {done ? (
        <ChangeDone account={account.id} title={`${authority.subject} is not trusted any more`} onClose={onClose} />
      ) : (
        <Stack gap="md">
          <Text size="sm">
            Certificates that it has issued let nobody in any more. Device logins for them stay, and work again once the
            authority, or another that issues such certificates, is added.
          </Text>
          <Consequence
            about={["removeAuthority", account.id, base.etag, authority.fingerprint]}
            run={() => dryRunAccount(base, body)}
          />
          <ChangeProblem
            problem={problem}
            errors={placeFieldErrors(problem, [])}
            onTakeTheirs={() => void takeTheirs()}
          />
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button color="red.8" loading={pending} onClick={() => act(body)}>
              Remove
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
