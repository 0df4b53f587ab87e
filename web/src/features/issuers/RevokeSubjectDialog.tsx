import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { dryRunOidcRevocation } from "../../api/dryRun";
import { type OidcIssuer, oidcIssuersOf, revokeOidcSubject } from "../../api/oidcIssuers";
import { plural } from "../../ui/format";
import { Notice } from "../../ui/Notice";
import { Status } from "../../ui/Status";
import { DeliveryProgress } from "../accounts/DeliveryProgress";
import { Consequence } from "../dryrun/Consequence";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";
import classes from "./RuleFields.module.css";

type RevokeSubjectDialogProps = { issuer: OidcIssuer | undefined; onClose: () => void };

/** RevokeSubjectDialog ends what came by a subject's tokens, and shows the brokers confirming and the connections closing. */
export function RevokeSubjectDialog({ issuer, onClose }: RevokeSubjectDialogProps) {
  return (
    <Modal
      opened={issuer !== undefined}
      onClose={onClose}
      title="Revoke a subject's tokens"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {issuer && <RevokeForm key={issuer.id} issuer={issuer} onClose={onClose} />}
    </Modal>
  );
}

function RevokeForm({ issuer, onClose }: { issuer: OidcIssuer; onClose: () => void }) {
  const queryClient = useQueryClient();
  const [subject, setSubject] = useState("");
  const [reason, setReason] = useState("");
  const [revoked, setRevoked] = useState<{ subject: string; closing: number }>();
  const [settled] = useDebouncedValue(subject, 300);

  const { act, pending, problem } = useAct(async () => {
    const foreseen = await dryRunOidcRevocation(issuer, { subject });
    await revokeOidcSubject(issuer.id, { subject, reason: reason.trim() });
    setRevoked({ subject, closing: foreseen.affected.connections_closed });
    await queryClient.invalidateQueries({ queryKey: oidcIssuersOf(issuer.account_id).queryKey });
  });
  const form = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, ["/subject", "/reason"]);

  if (revoked) {
    return (
      <Stack gap="md">
        <Notice tone="ok" role="status" title="Revoked">
          None of the tokens that <code style={{ overflowWrap: "anywhere" }}>{revoked.subject}</code> had until now lets
          in again, nor do creds that were exchanged for them. Tokens that are issued from now on do, as far as the
          rules let them.
        </Notice>
        <DeliveryProgress account={issuer.account_id} />
        <Closing issuer={issuer} subject={revoked.subject} before={revoked.closing} />
        <Group justify="flex-end">
          <Button onClick={onClose}>Done</Button>
        </Group>
      </Stack>
    );
  }
  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        act();
      }}
    >
      <Stack gap="md">
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          For a token of <code>{issuer.url}</code> that somebody else may have. To keep its owner out for good, change
          the rules.
        </Text>
        <TextInput
          label="Subject"
          description="Exactly as tokens have it in sub."
          placeholder="repo:acme/shop:ref:refs/heads/main"
          className={classes.code}
          autoComplete="off"
          maxLength={1024}
          data-autofocus
          value={subject}
          onChange={(event) => setSubject(event.currentTarget.value)}
          error={errors.at("/subject")}
        />
        <TextInput
          label="Reason"
          description="For whoever reads the list later. Optional."
          placeholder="the token was in a log"
          maxLength={256}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          error={errors.at("/reason")}
        />
        {settled !== "" && settled === subject && (
          <Consequence
            about={["oidc-subject", issuer.id, settled]}
            run={() => dryRunOidcRevocation(issuer, { subject: settled })}
          />
        )}
        {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color="red.8" loading={pending}>
            Revoke
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Closing counts down: who would be closed by doing it again has not been closed yet. */
function Closing({ issuer, subject, before }: { issuer: OidcIssuer; subject: string; before: number }) {
  const { data } = useQuery({
    queryKey: ["dry-run", "oidc-subject-left", issuer.id, subject],
    queryFn: () => dryRunOidcRevocation(issuer, { subject }),
    refetchInterval: (query) => (query.state.data?.affected.connections_closed === 0 ? false : 700),
    gcTime: 0,
  });
  const left = data?.affected.connections_closed;
  if (left === undefined) return null;
  return (
    <div aria-live="polite">
      {left > 0 ? (
        <Status tone="attention">{plural(left, "connection")} still open</Status>
      ) : (
        <Status tone="ok">
          {before === 0 ? "Nobody was connected by them" : `${plural(before, "connection")} closed`}
        </Status>
      )}
    </div>
  );
}
