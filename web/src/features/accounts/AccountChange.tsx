import { Button, Group, Stack } from "@mantine/core";
import type { Problem } from "../../api/client";
import { Notice } from "../../ui/Notice";
import { ChangeProblem } from "../problems/ChangeProblem";
import type { FieldErrors } from "../problems/fieldErrors";
import { DeliveryProgress } from "./DeliveryProgress";

type AccountChangeProblemProps = { problem: Problem | null; errors: FieldErrors; onTakeTheirs: () => void };

/** AccountChangeProblem is what stood in the way of a change of an account, as far as no field says it. */
export function AccountChangeProblem({ onTakeTheirs, ...rest }: AccountChangeProblemProps) {
  return (
    <ChangeProblem
      {...rest}
      meanwhile="Someone changed this account meanwhile"
      verb="Load their version"
      onGoOn={onTakeTheirs}
    >
      Load the account as it is now, then make your change again.
    </ChangeProblem>
  );
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
