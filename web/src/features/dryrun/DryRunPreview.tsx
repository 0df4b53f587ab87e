import { Button, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import type { DryRun } from "../../api/dryRun";
import { DataTable } from "../../ui/DataTable";
import { plural } from "../../ui/format";
import { Notice } from "../../ui/Notice";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { affectedWords, valueWords } from "./dryRunWords";
import classes from "./DryRunPreview.module.css";

type DryRunPreviewProps = {
  /** What would be sent: an answer about something else is not shown. */
  body: unknown;
  run: () => Promise<DryRun>;
  disabled?: boolean;
};

/** DryRunPreview says on demand what saving would do to clients, before it does. */
export function DryRunPreview({ body, run, disabled }: DryRunPreviewProps) {
  const about = JSON.stringify(body);
  const [answered, setAnswered] = useState<{ about: string; dryRun: DryRun }>();
  const { act, pending, problem } = useAct(async () => {
    setAnswered(undefined);
    setAnswered({ about, dryRun: await run() });
  });
  const dryRun = answered?.about === about ? answered.dryRun : undefined;
  return (
    <Stack gap="sm">
      <Group>
        <Button variant="default" size="xs" loading={pending} disabled={disabled} onClick={() => act()}>
          Preview what this does
        </Button>
      </Group>
      {problem && <ProblemNotice problem={problem} title="This would be refused" fields={problem.fields} />}
      {dryRun && <Foreseen dryRun={dryRun} />}
    </Stack>
  );
}

type ForeseenProps = {
  dryRun: DryRun;
  /** Nobody who is disconnected gets in again. */
  shutsOut?: boolean;
};

export function Foreseen({ dryRun, shutsOut = false }: ForeseenProps) {
  const { affected, changes, warnings } = dryRun;
  const missing = affected.brokers_asked - affected.brokers_answered;
  return (
    <Notice tone={affected.connections_closed > 0 ? "attention" : "info"} role="status" title={affectedWords(affected)}>
      <Stack gap={4}>
        {!shutsOut && affected.connections_closed > 0 && (
          <div>They may come back at once where they are still let in.</div>
        )}
        {affected.connections_changed > 0 && (
          <div>{plural(affected.connections_changed, "connection")} stay under other limits or permissions.</div>
        )}
        {affected.users + affected.credentials > 0 && (
          <div>
            Concerns {plural(affected.users, "user")} with {plural(affected.credentials, "active credential")}.
          </div>
        )}
        {missing > 0 && <div>{plural(missing, "broker")} did not answer: it may concern more.</div>}
        {warnings.map((warning) => (
          <div key={warning}>{warning}</div>
        ))}
        {changes.length > 0 ? (
          <details className={classes.claims}>
            <summary>{plural(changes.length, "change")} in the claims</summary>
            <DataTable
              label="Changes in the claims"
              rows={changes}
              rowKey={(change) => `${change.account_id} ${change.path}`}
              columns={[
                { header: "Where", cell: (change) => <code>{change.path}</code> },
                { header: "Now", cell: (change) => <code>{valueWords(change.from)}</code> },
                { header: "Then", cell: (change) => <code>{valueWords(change.to)}</code> },
              ]}
            />
          </details>
        ) : (
          <Text size="sm">Nothing changes in the claims that brokers go by.</Text>
        )}
      </Stack>
    </Notice>
  );
}
