import { Button, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, accountById, purgeAccount, restoreAccount } from "../../api/accounts";
import { ConfirmByName } from "../../ui/ConfirmByName";
import { Countdown } from "../../ui/Countdown";
import { Notice } from "../../ui/Notice";
import { useNow } from "../../ui/useNow";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";

type DeletingNoticeProps = { account: Account; mayDecide: boolean };

/** DeletingNotice heads every page of an account that is being deleted: until when that can be undone, and both ways on. */
export function DeletingNotice({ account, mayDecide }: DeletingNoticeProps) {
  const queryClient = useQueryClient();
  const [purging, setPurging] = useState(false);
  const now = useNow(1_000);
  const undoable = account.purge_at !== null && Date.parse(account.purge_at) > now;
  const refresh = () =>
    Promise.all([
      queryClient.invalidateQueries({ queryKey: ["accounts", account.id] }),
      queryClient.invalidateQueries({ queryKey: ["tenants", account.tenant_id] }),
    ]);
  const restore = useAct(async () => {
    queryClient.setQueryData(accountById(account.id).queryKey, await restoreAccount(account));
    await refresh();
  });
  const purge = useAct(async () => {
    await purgeAccount(account.id, account.name);
    setPurging(false);
    await refresh();
  });
  return (
    <>
      <Notice
        tone="stopped"
        role="status"
        title="This account is being deleted"
        actions={
          mayDecide &&
          undoable && (
            <>
              <Button size="xs" variant="default" c="var(--sb-stopped)" onClick={() => setPurging(true)}>
                Purge now
              </Button>
              <Button size="xs" loading={restore.pending} onClick={restore.act}>
                Restore
              </Button>
            </>
          )
        }
      >
        Nobody gets in, and nothing in it can be changed. {!undoable && "The purge has begun."}
        {undoable && account.purge_at && (
          <>
            It can be restored for another <Countdown until={account.purge_at} />.
          </>
        )}
      </Notice>
      {restore.problem && <ProblemNotice problem={restore.problem} title="Could not restore the account" />}
      <ConfirmByName
        opened={purging}
        onClose={() => setPurging(false)}
        title={`Purge ${account.name} now?`}
        name={account.name}
        verb="Purge for good"
        pending={purge.pending}
        onConfirm={purge.act}
      >
        <Text size="sm">
          What is stored in it is erased on every broker, and its seeds are forgotten. Nothing brings it back.
        </Text>
        {purge.problem && <ProblemNotice problem={purge.problem} />}
      </ConfirmByName>
    </>
  );
}
