import { Button, Modal, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, cloneAccount } from "../../api/accounts";
import { Panel } from "../../ui/Panel";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";

type CloneAccountProps = { account: Account; onCloned: (clone: Account) => void };

export function CloneAccount({ account, onCloned }: CloneAccountProps) {
  const [opened, setOpened] = useState(false);
  return (
    <Panel
      title="Clone account"
      description="Makes another with the same settings, mappings and roles, without users, creds and data."
      actions={
        <Button variant="default" onClick={() => setOpened(true)}>
          Clone account
        </Button>
      }
    >
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Clone ${account.name}`}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <CloneForm account={account} onCloned={onCloned} onCancel={() => setOpened(false)} />
      </Modal>
    </Panel>
  );
}

function CloneForm({ account, onCloned, onCancel }: CloneAccountProps & { onCancel: () => void }) {
  const queryClient = useQueryClient();
  const withKey = useIdempotencyKey();
  const [name, setName] = useState(`${account.name} copy`);
  const { act, pending, problem } = useAct(async () => {
    const body = { name: name.trim() };
    const clone = await withKey(body, (key) => cloneAccount(account.id, body, key));
    await queryClient.invalidateQueries({ queryKey: ["tenants", account.tenant_id] });
    onCancel();
    onCloned(clone);
  });
  const errors = placeFieldErrors(problem, ["/name"]);
  return (
    <ActForm
      verb="Clone account"
      pending={pending}
      problem={problem}
      errors={errors}
      onSubmit={act}
      onCancel={onCancel}
    >
      <Text size="sm">
        Keys are its own, so creds of {account.name} do not work there. Limits that the plan does not give any more are
        lowered to it.
      </Text>
      <TextInput
        label="Name"
        data-autofocus
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={errors.at("/name")}
      />
    </ActForm>
  );
}
