import { Button } from "@mantine/core";
import type { Problem } from "../../api/client";
import { Notice } from "../../ui/Notice";
import type { FieldErrors } from "./fieldErrors";
import { ProblemNotice } from "./ProblemNotice";

type ChangeProblemProps = {
  problem: Problem | null;
  errors: FieldErrors;
  /** What happened when the ETag was out of date: "Someone changed this role meanwhile". */
  meanwhile: string;
  /** What to do then. */
  children?: string;
  /** The button that does it, if one can. */
  verb?: string;
  onGoOn?: () => void;
};

/** ChangeProblem is what stood in the way of a change, as far as no field says it. */
export function ChangeProblem({ problem, errors, meanwhile, children, verb, onGoOn }: ChangeProblemProps) {
  if (problem?.status !== 412) {
    return problem && errors.unplaced ? <ProblemNotice problem={problem} fields={errors.rest} /> : null;
  }
  const button = verb && (
    <Button size="xs" variant="default" onClick={onGoOn}>
      {verb}
    </Button>
  );
  return (
    <Notice tone="attention" role="alert" title={meanwhile} actions={button}>
      Nothing of yours was saved. {children}
    </Notice>
  );
}
