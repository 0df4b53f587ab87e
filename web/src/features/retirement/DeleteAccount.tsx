import { Button, Select, Stack, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, deleteAccount, retirementOf } from "../../api/accounts";
import { ConfirmByName } from "../../ui/ConfirmByName";
import { Panel } from "../../ui/Panel";
import { dryRunDeletion } from "../../api/dryRun";
import { Consequence } from "../dryrun/Consequence";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { storedWords } from "./retirementWords";
import { StreamTable } from "./StreamTable";

type DeleteAccountProps = { account: Account; onDeleted: () => void };

export function DeleteAccount({ account, onDeleted }: DeleteAccountProps) {
  const [opened, setOpened] = useState(false);
  return (
    <Panel
      tone="stopped"
      title="Delete account"
      description="Every client is disconnected at once. It can be restored, with all that is stored in it, until the time you choose is over."
      actions={
        <Button variant="default" c="var(--sb-stopped)" onClick={() => setOpened(true)}>
          Delete account
        </Button>
      }
    >
      {opened && <DeleteDialog account={account} onClose={() => setOpened(false)} onDeleted={onDeleted} />}
    </Panel>
  );
}

const windows = [
  { value: "", label: "As long as this installation has it" },
  { value: "P1D", label: "1 day" },
  { value: "P7D", label: "7 days" },
  { value: "P30D", label: "30 days" },
  { value: "P90D", label: "90 days" },
  { value: "PT0S", label: "Not at all: erase everything now" },
];

function DeleteDialog({ account, onClose, onDeleted }: DeleteAccountProps & { onClose: () => void }) {
  const queryClient = useQueryClient();
  const [undo, setUndo] = useState("");
  const retirement = useQuery({ ...retirementOf(account.id), staleTime: 0 });
  const { act, pending, problem } = useAct(async () => {
    await deleteAccount(account, undo || undefined);
    onDeleted();
    await Promise.all([
      queryClient.invalidateQueries({ queryKey: ["accounts", account.id] }),
      queryClient.invalidateQueries({ queryKey: ["tenants", account.tenant_id] }),
    ]);
  });
  const streams = retirement.data?.streams ?? [];
  return (
    <ConfirmByName
      opened
      onClose={onClose}
      title={`Delete ${account.name}?`}
      name={account.name}
      verb={undo === "PT0S" ? "Delete and erase" : "Delete account"}
      pending={pending}
      onConfirm={act}
    >
      <Stack gap="sm">
        <Consequence about={["deleteAccount", account.id]} run={() => dryRunDeletion(account)} />
        <Text size="sm">All of its users' creds stop working at once, on every broker.</Text>
        <Select
          label="It can be restored for"
          data={windows}
          value={undo}
          onChange={(next) => setUndo(next ?? "")}
          allowDeselect={false}
        />
        <Text size="sm">
          {retirement.data ? storedWords(retirement.data) : retirement.error ? null : "Asking what is stored in it…"}
        </Text>
      </Stack>
      {streams.length > 0 && <StreamTable streams={streams} />}
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmByName>
  );
}
