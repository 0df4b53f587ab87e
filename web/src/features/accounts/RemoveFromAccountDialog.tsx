import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { Account, AccountUpdate } from "../../api/accounts";
import { dryRunAccount } from "../../api/dryRun";
import { Consequence } from "../dryrun/Consequence";
import { placeFieldErrors } from "../problems/fieldErrors";
import { AccountChangeProblem, ChangeDone } from "./AccountChange";
import { useAccountChange } from "./useAccountChange";

type RemoveFromAccountDialogProps = {
  account: Account;
  /** What goes, of the account as it is by then. */
  change: (base: Account) => AccountUpdate;
  /** Names the change among others of the account, for its dry run. */
  about: string[];
  title: string;
  /** What it means. */
  children: ReactNode;
  verb: string;
  /** The title once it is done, and what that means. */
  done: string;
  meaning: string;
  /** Whether those whom it closes cannot return. */
  shutsOut?: boolean;
  onClose: () => void;
};

/** RemoveFromAccountDialog says what closes when something of an account goes, and then how far brokers are with it. */
export function RemoveFromAccountDialog(props: RemoveFromAccountDialogProps) {
  const { account, change, about, title, children, verb, done, meaning, shutsOut, onClose } = props;
  const { base, act, pending, problem, done: isDone, takeTheirs } = useAccountChange(account);
  const body = change(base);
  return (
    <Modal opened onClose={onClose} title={isDone ? done : title} closeButtonProps={{ "aria-label": "Close" }}>
      {isDone ? (
        <ChangeDone account={account.id} title={meaning} onClose={onClose} />
      ) : (
        <Stack gap="md">
          <Text size="sm">{children}</Text>
          <Consequence
            about={[...about, account.id, base.etag]}
            run={() => dryRunAccount(base, body)}
            shutsOut={shutsOut}
          />
          <AccountChangeProblem
            problem={problem}
            errors={placeFieldErrors(problem, [])}
            onTakeTheirs={() => void takeTheirs()}
          />
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button color="red.8" loading={pending} onClick={() => act(body)}>
              {verb}
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
