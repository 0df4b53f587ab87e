import { Button, Modal, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, accountById, resumeAccount, suspendAccount } from "../../api/accounts";
import { dryRunSuspension } from "../../api/dryRun";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Time } from "../../ui/Time";
import { Consequence } from "../dryrun/Consequence";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { DeliveryProgress } from "./DeliveryProgress";

/** SuspendAccount keeps everybody out for a while, and everything in place. */
export function SuspendAccount({ account }: { account: Account }) {
  const [opened, setOpened] = useState(false);
  return (
    <Panel
      title="Suspend account"
      description="Every client is disconnected and nobody gets in until it is resumed. Streams, users and creds stay."
      actions={
        <Button variant="default" onClick={() => setOpened(true)}>
          Suspend account
        </Button>
      }
    >
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Suspend ${account.name}?`}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <SuspendForm account={account} onClose={() => setOpened(false)} />
      </Modal>
    </Panel>
  );
}

function SuspendForm({ account, onClose }: { account: Account; onClose: () => void }) {
  const queryClient = useQueryClient();
  const [reason, setReason] = useState("");
  const { act, pending, problem } = useAct(async () => {
    const suspended = await suspendAccount(account.id, reason.trim());
    onClose();
    queryClient.setQueryData(accountById(account.id).queryKey, suspended);
    await queryClient.invalidateQueries({ queryKey: ["tenants", account.tenant_id] });
  });
  const errors = placeFieldErrors(problem, ["/reason"]);
  return (
    <ActForm
      verb="Suspend account"
      danger
      pending={pending}
      problem={problem}
      errors={errors}
      onSubmit={act}
      onCancel={onClose}
    >
      <Consequence about={["suspendAccount", account.id]} run={() => dryRunSuspension(account)} />
      <Text size="sm">Nobody gets in until somebody resumes it.</Text>
      <TextInput
        label="Reason"
        description="Shown to everybody who opens the account. Optional."
        data-autofocus
        maxLength={256}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        error={errors.at("/reason")}
      />
    </ActForm>
  );
}

type SuspendedNoticeProps = { account: Account; mayResume: boolean; isStaff: boolean };

/** SuspendedNotice heads every page of a suspended account: why, since when, and the way back. */
export function SuspendedNotice({ account, mayResume, isStaff }: SuspendedNoticeProps) {
  const queryClient = useQueryClient();
  const { act, pending, problem } = useAct(async () => {
    queryClient.setQueryData(accountById(account.id).queryKey, await resumeAccount(account.id));
    await queryClient.invalidateQueries({ queryKey: ["tenants", account.tenant_id] });
  });
  const { suspension } = account;
  if (!suspension) return null;
  const byStaff = suspension.by === "staff";
  return (
    <>
      <Notice
        tone="stopped"
        role="status"
        title="This account is suspended"
        actions={
          mayResume &&
          (!byStaff || isStaff) && (
            <Button size="xs" loading={pending} onClick={act}>
              Resume
            </Button>
          )
        }
      >
        <div>
          Nobody gets in. Suspended <Time value={suspension.since} />
          {byStaff && " by the staff of this installation, who alone can resume it"}
          {suspension.reason && `: ${suspension.reason}`}.
        </div>
        <DeliveryProgress key={account.etag} account={account.id} />
      </Notice>
      {problem && <ProblemNotice problem={problem} title="Could not resume the account" />}
    </>
  );
}
