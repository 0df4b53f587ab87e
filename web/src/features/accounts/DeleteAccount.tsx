import { Button, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, deleteAccount } from "../../api/accounts";
import { ConfirmByName } from "../../ui/ConfirmByName";
import { Panel } from "../../ui/Panel";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { closesWords, useConnections } from "./closes";

export function DeleteAccount({ account, onDeleted }: { account: Account; onDeleted: () => void }) {
  const queryClient = useQueryClient();
  const [opened, setOpened] = useState(false);
  const { act, pending, problem } = useAct(async () => {
    await deleteAccount(account.id);
    // Removed, not refreshed: a list must not show for a moment what is gone.
    queryClient.removeQueries({ queryKey: ["tenants", account.tenant_id] });
    onDeleted();
    queryClient.removeQueries({ queryKey: ["accounts", account.id] });
  });
  return (
    <Panel
      tone="stopped"
      title="Delete account"
      description="Every client is disconnected, and none of the account's creds ever works again."
      actions={
        <Button variant="default" c="var(--sb-stopped)" onClick={() => setOpened(true)}>
          Delete account
        </Button>
      }
    >
      <ConfirmByName
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Delete ${account.name}?`}
        name={account.name}
        verb="Delete account"
        pending={pending}
        onConfirm={act}
      >
        <Consequence account={account.id} />
        {problem && <ProblemNotice problem={problem} />}
      </ConfirmByName>
    </Panel>
  );
}

function Consequence({ account }: { account: string }) {
  const connections = useConnections(account, () => true);
  return (
    <Text size="sm">
      {connections ? closesWords(connections) : "Closes every connection."} All of its users' creds stop working at
      once, on every broker, and this cannot be undone.
    </Text>
  );
}
