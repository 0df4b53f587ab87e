import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { connectionsOf } from "../../api/accounts";
import { type Credential, credentialsChanged, revokeCredential } from "../../api/credentials";
import { plural } from "../../ui/format";
import { Notice } from "../../ui/Notice";
import { Status } from "../../ui/Status";
import { DeliveryProgress } from "../accounts/DeliveryProgress";
import { closesWords } from "../accounts/closes";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { nameOf } from "./usable";

type RevokeDialogProps = { credential: Credential | undefined; onClose: () => void };

/** RevokeDialog asks for a reason, revokes, then shows the brokers confirming and the connections closing. */
export function RevokeDialog({ credential, onClose }: RevokeDialogProps) {
  return (
    <Modal
      opened={credential !== undefined}
      onClose={onClose}
      title={credential ? `Revoke ${nameOf(credential)}?` : ""}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {credential && <RevokeForm key={credential.id} credential={credential} onClose={onClose} />}
    </Modal>
  );
}

type RevokeFormProps = {
  credential: Pick<Credential, "id" | "account_id" | "user_id" | "public_key">;
  /** How that is done; a credential's way when absent. */
  revoke?: (id: string, reason: string) => Promise<unknown>;
  /** What the list will say, unless the person says otherwise. */
  suggestedReason?: string;
  /** On the button that leaves it be. */
  leaveWord?: string;
  onClose: () => void;
};

export function RevokeForm({
  credential,
  revoke = revokeCredential,
  suggestedReason = "",
  leaveWord = "Cancel",
  onClose,
}: RevokeFormProps) {
  const queryClient = useQueryClient();
  const [reason, setReason] = useState(suggestedReason);
  const [before, setBefore] = useState<number>();
  const [revoked, setRevoked] = useState(false);
  const connections = useQuery({
    ...connectionsOf(credential.account_id),
    refetchInterval: revoked ? 700 : 2_000,
  });
  const using = connections.data?.items.filter((connection) => connection.user_public_key === credential.public_key);

  const { act, pending, problem } = useAct(async () => {
    setBefore(using?.length);
    await revoke(credential.id, reason.trim());
    setRevoked(true);
    await Promise.all([
      credentialsChanged(queryClient, credential.account_id, credential.user_id),
      connections.refetch(),
    ]);
  });
  const errors = placeFieldErrors(problem, ["/reason"]);

  if (revoked) {
    return (
      <Stack gap="md">
        <Notice tone="ok" role="status" title="Revoked">
          It will never work again. The user's other creds and logins keep working.
        </Notice>
        <DeliveryProgress account={credential.account_id} />
        {before !== undefined && (
          <div aria-live="polite">
            {using && using.length > 0 ? (
              <Status tone="attention">{plural(using.length, "connection")} still open</Status>
            ) : (
              <Status tone="ok">
                {before === 0 ? "Nobody was connected with it" : `${plural(before, "connection")} closed`}
              </Status>
            )}
          </div>
        )}
        <Group justify="flex-end">
          <Button onClick={onClose}>Done</Button>
        </Group>
      </Stack>
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        act();
      }}
    >
      <Stack gap="md">
        <Text size="sm">
          {using ? closesWords(using) : "Closes every connection that uses it."} It can never be used again, on any
          broker.
        </Text>
        <TextInput
          label="Reason"
          description="For whoever reads the list later. Optional."
          placeholder="laptop lost"
          data-autofocus
          maxLength={256}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          error={errors.at("/reason")}
        />
        {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            {leaveWord}
          </Button>
          <Button type="submit" color="red.8" loading={pending}>
            Revoke
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
