import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { toProblem } from "../../api/client";
import type { DryRun } from "../../api/dryRun";
import { ProblemNotice } from "../problems/ProblemNotice";
import { Foreseen } from "./DryRunPreview";

type ConsequenceProps = {
  /** Names the act and what it is done to. */
  about: readonly string[];
  run: () => Promise<DryRun>;
  /** False where some who are disconnected may come back at once. */
  shutsOut?: boolean;
};

/** Consequence says in the dialog of an act that shuts clients out what it would do now, asked as a dry run. */
export function Consequence({ about, run, shutsOut = true }: ConsequenceProps) {
  const { data, error } = useQuery({
    queryKey: ["dry-run", ...about],
    queryFn: run,
    refetchInterval: 5_000,
    gcTime: 0,
    retry: false,
  });
  if (data) return <Foreseen dryRun={data} shutsOut={shutsOut} />;
  if (error) return <ProblemNotice problem={toProblem(error)} title="Could not tell whom this disconnects" />;
  return (
    <Text size="sm" role="status">
      Asking the brokers whom this disconnects…
    </Text>
  );
}
