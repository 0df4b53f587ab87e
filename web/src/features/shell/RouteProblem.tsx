import { Box } from "@mantine/core";
import { type ErrorComponentProps, useRouter } from "@tanstack/react-router";
import { toProblem } from "../../api/client";
import { ProblemNotice } from "../problems/ProblemNotice";

/** RouteProblem stands where a page failed before it could show its own error. */
export function RouteProblem({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <Box p="lg" maw={720} mx="auto">
      <ProblemNotice problem={toProblem(error)} title="This page could not be shown" onRetry={retry} />
    </Box>
  );
}
