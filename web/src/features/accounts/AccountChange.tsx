import { Button, Group, Stack } from "@mantine/core";
import type { Problem } from "../../api/client";
import { Notice } from "../../ui/Notice";
import type { FieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { DeliveryProgress } from "./DeliveryProgress";

type ChangeProblemProps = { problem: Problem | null; errors: FieldErrors; onTakeTheirs: () => void };

/** ChangeProblem is what stood in the way of a change of an account, as far as no field says it. */
export function ChangeProblem({ problem, errors, onTakeTheirs }: ChangeProblemProps) {
  if (problem?.status === 412) {
    return (
      <Notice
        tone="attention"
        role="alert"
        title="Someone changed this account meanwhile"
        actions={
          <Button size="xs" variant="default" onClick={onTakeTheirs}>
            Load their version
          </Button>
        }
      >
        Nothing of yours was saved. Load the account as it is now, then make your change again.
      </Notice>
    );
  }
  return problem && errors.unplaced ? <ProblemNotice problem={problem} fields={errors.rest} /> : null;
}

type ChangeDoneProps = { account: string; title: string; children?: string; onClose: () => void };

/** ChangeDone is the end of a dialog that changed an account: the brokers taking it up. */
export function ChangeDone({ account, title, children, onClose }: ChangeDoneProps) {
  return (
    <Stack gap="md">
      <Notice tone="ok" role="status" title={title}>
        {children}
      </Notice>
      <DeliveryProgress account={account} />
      <Group justify="flex-end">
        <Button onClick={onClose} data-autofocus>
          Done
        </Button>
      </Group>
    </Stack>
  );
}
