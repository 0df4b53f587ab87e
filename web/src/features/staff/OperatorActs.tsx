import { Button, Group, Stack } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { makeDefaultOperator, type Operator, operators } from "../../api/operators";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { OperatorDrawer } from "./OperatorEditor";

/** OperatorActs are what staff do to an operator itself: edit it, put new accounts under it. */
export function OperatorActs({ operator }: { operator: Operator }) {
  const queryClient = useQueryClient();
  const [editing, setEditing] = useState(false);
  const { act, pending, problem } = useAct(async () => {
    await makeDefaultOperator(operator.id);
    await queryClient.invalidateQueries({ queryKey: operators.queryKey, exact: true });
  });
  return (
    <Stack gap="xs" align="flex-end">
      <Group gap="xs">
        {!operator.is_default && (
          <Button
            size="xs"
            variant="default"
            loading={pending}
            aria-label={`Make ${operator.name} the default`}
            onClick={() => act()}
          >
            Make it the default
          </Button>
        )}
        <Button size="xs" variant="default" aria-label={`Edit ${operator.name}`} onClick={() => setEditing(true)}>
          Edit
        </Button>
      </Group>
      {problem && <ProblemNotice problem={problem} title="Could not make it the default" />}
      <OperatorDrawer opened={editing} operator={operator} onClose={() => setEditing(false)} />
    </Stack>
  );
}
