import { Box, Button, Group, Stack, Text } from "@mantine/core";
import { type Operator, operators, rotateSystemAccount } from "../../api/operators";
import { Key } from "../../ui/Key";
import { Notice } from "../../ui/Notice";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { Rotation, type RotationFormProps } from "./Rotation";

/** SystemAccount shows where control and brokers talk, and rotates it while brokers restart one by one. */
export function SystemAccount({ operator }: { operator: Operator }) {
  return (
    <>
      <Rotation
        title="System account"
        operator={operator}
        what="the system account"
        changes={operators.queryKey}
        form={RotateForm}
      />
      <Box px={20} pb="sm">
        <Key value={operator.system_account_public_key} what="system account" />
      </Box>
    </>
  );
}

function RotateForm({ operator, onBegun, onCancel }: RotationFormProps) {
  const withKey = useIdempotencyKey();
  const { act, pending, problem } = useAct(async () => {
    const { id } = await withKey({ operator: operator.id }, (key) => rotateSystemAccount(operator.id, key));
    onBegun(id);
  });
  return (
    <Stack gap="md">
      <Text size="sm">
        Every broker gets a seat in the next system account at once, and takes it when it restarts. Restart them one by
        one, at any time: control speaks to both halves meanwhile. Once all have, the old one lets nobody in.
      </Text>
      <Notice tone="attention" title="Until every broker has restarted">
        JetStream works where the majority is, and an account&apos;s connections are limited in each half by itself.
        Attached nats-servers must be detached before.
      </Notice>
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
