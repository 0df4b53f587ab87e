import { Group, Progress, Stack, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { operationById } from "../../api/operators";
import { formatCount } from "../../ui/format";
import { Status } from "../../ui/Status";

type OperationProgressProps = {
  operation: string;
  /** What is being done, and what was when it is over: "Rotating", "Rotated". */
  doing: string;
  done: string;
  /** Queries that are out of date when it is over. */
  changes: readonly unknown[];
};

/** OperationProgress follows long work to its end: how far it is, and whom it waits for. */
export function OperationProgress({ operation: id, doing, done: doneWords, changes }: OperationProgressProps) {
  const queryClient = useQueryClient();
  const operation = useQuery({
    ...operationById(id),
    refetchInterval: (query) => {
      if (query.state.data?.status !== "done") return 1_000;
      void queryClient.invalidateQueries({ queryKey: changes });
      return false;
    },
  });
  if (!operation.data) return null;
  const { status, stage, waiting_for, done, total } = operation.data;
  const over = status === "done";
  return (
    <Stack gap={6} role="status">
      <Group justify="space-between">
        <Status tone={over ? "ok" : "attention"}>
          {over ? doneWords : waiting_for ? `Waiting for ${waiting_for}` : `${doing}: ${stage}`}
        </Status>
        <Text size="sm" style={{ fontVariantNumeric: "tabular-nums" }}>
          {formatCount(done)} of {formatCount(total)}
        </Text>
      </Group>
      <Progress value={over ? 100 : total > 0 ? (done / total) * 100 : 0} size={6} aria-label={doing} />
    </Stack>
  );
}
