import { Stack, Text } from "@mantine/core";
import type { Simulation } from "../../api/simulation";
import { Notice } from "../../ui/Notice";
import { Status } from "../../ui/Status";
import { checkName, decisionWords, outcomes } from "./simulationWords";
import classes from "./SimulationResult.module.css";

/** SimulationResult is the answer, what decided it, and the broker's checks in their order. */
export function SimulationResult({ simulation, sentence }: { simulation: Simulation; sentence: string }) {
  const { allowed, explanation, detail, decided_by, steps, filtered } = simulation;
  return (
    <Stack gap="md" aria-live="polite">
      <Notice tone={allowed ? "ok" : "stopped"} role="status" title={sentence}>
        {explanation && <div>{explanation}</div>}
        {detail && <div>{detail}</div>}
        {decided_by && <div>Decided by {decisionWords(decided_by)}.</div>}
      </Notice>
      {filtered.length > 0 && (
        <Notice tone="attention" title="Some messages will not arrive">
          {filtered.map((decision) => (
            <div key={decision.pointer}>{decisionWords(decision)}</div>
          ))}
        </Notice>
      )}
      <ol className={classes.steps} aria-label="Checks, in the broker's order">
        {steps.map((step, index) => (
          <li key={index}>
            <Text size="sm" fw={500}>
              {checkName(step.check)}
            </Text>
            <Status tone={outcomes[step.outcome].tone}>{outcomes[step.outcome].words}</Status>
            <Text size="sm" c="dimmed">
              {step.detail}
            </Text>
          </li>
        ))}
      </ol>
    </Stack>
  );
}
