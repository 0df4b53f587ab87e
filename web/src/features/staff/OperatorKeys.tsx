import { Button, Group, Stack, Switch, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Operator, rotateSigningKey, type SigningKey, signingKeysOf } from "../../api/operators";
import { DataTable } from "../../ui/DataTable";
import { Key } from "../../ui/Key";
import { TableSkeleton } from "../../ui/Skeletons";
import { Status, type Tone } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { Loaded } from "../problems/Loaded";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { Rotation, type RotationFormProps } from "./Rotation";

const states: Record<SigningKey["status"], { tone: Tone; words: string }> = {
  next: { tone: "quiet", words: "Next" },
  active: { tone: "ok", words: "Signs accounts" },
  leaving: { tone: "attention", words: "Leaving" },
  retired: { tone: "quiet", words: "Retired" },
};

/** OperatorKeys lists an operator's signing keys and rotates them, with progress, while clients stay connected. */
export function OperatorKeys({ operator }: { operator: Operator }) {
  const keys = useQuery(signingKeysOf(operator.id));
  return (
    <>
      <Rotation
        title="Signing keys"
        operator={operator}
        what="the signing key"
        changes={signingKeysOf(operator.id).queryKey}
        form={RotateForm}
      />
      <Loaded query={keys} what="the signing keys" skeleton={<TableSkeleton rows={1} />}>
        {({ items }) => (
          <DataTable
            label="Signing keys"
            rows={items}
            rowKey={(key) => key.public_key}
            columns={[
              { header: "Key", cell: (key) => <Key value={key.public_key} what="signing key" /> },
              {
                header: "State",
                cell: (key) => <Status tone={states[key.status].tone}>{states[key.status].words}</Status>,
              },
              { header: "Made", cell: (key) => <Time value={key.created_at} /> },
              { header: "Retired", cell: (key) => (key.retired_at ? <Time value={key.retired_at} /> : "") },
            ]}
          />
        )}
      </Loaded>
    </>
  );
}

function RotateForm({ operator, onBegun, onCancel }: RotationFormProps) {
  const withKey = useIdempotencyKey();
  const [restarted, setRestarted] = useState(false);
  const { act, pending, problem } = useAct(async () => {
    const { id } = await withKey({ restarted }, (key) => rotateSigningKey(operator.id, restarted, key));
    onBegun(id);
  });
  return (
    <Stack gap="md">
      <Text size="sm">
        Clients stay connected. When every broker trusts the next key, all accounts are signed with it; then the old key
        is forgotten. A broker that is down is waited for.
      </Text>
      <Switch
        label="Attached nats-servers trust the next key"
        description="They take a new operator JWT only by a restart. Not needed where none is attached."
        checked={restarted}
        onChange={(event) => setRestarted(event.currentTarget.checked)}
      />
      {problem && <ProblemNotice problem={problem} fields={problem.fields} />}
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
        <Button loading={pending} onClick={() => act()}>
          Rotate
        </Button>
      </Group>
    </Stack>
  );
}
