import { Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type BrokerDisk, type Retirement, retirementOf } from "../../api/accounts";
import { DataTable } from "../../ui/DataTable";
import { formatBytes, plural } from "../../ui/format";
import { Panel } from "../../ui/Panel";
import { PanelSkeleton } from "../../ui/Skeletons";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { Track } from "../../ui/Track";
import { Loaded } from "../problems/Loaded";
import { diskWords, phaseNames, stepOf, storedWords } from "./retirementWords";
import { StreamTable } from "./StreamTable";

/** RetirementPanels show how far an account's deletion has come: the steps, what data goes, and each broker's word. */
export function RetirementPanels({ account }: { account: string }) {
  const retirement = useQuery({
    ...retirementOf(account),
    refetchInterval: (query) => {
      const phase = query.state.data?.phase;
      if (phase === "done") return false;
      return phase === "frozen" ? 5_000 : 1_000;
    },
  });
  return (
    <Loaded query={retirement} what="how far the deletion has come" skeleton={<PanelSkeleton lines={6} />}>
      {(data) => (
        <Stack gap="lg">
          <Panel title="Progress">
            <Stack gap="md">
              <Track label="Steps of the deletion" steps={phaseNames} current={stepOf(data.phase)} />
              <PhaseWords retirement={data} />
            </Stack>
          </Panel>
          {data.phase !== "done" && (
            <Panel flush={data.streams.length > 0} title="What data goes" description={storedWords(data)}>
              {data.streams.length > 0 && <StreamTable streams={data.streams} />}
            </Panel>
          )}
          <Panel flush title="Brokers" description="What each says of its own disk.">
            <DiskTable disks={data.brokers} />
          </Panel>
        </Stack>
      )}
    </Loaded>
  );
}

function PhaseWords({ retirement }: { retirement: Retirement }) {
  const { phase, connections, purged_at } = retirement;
  return (
    <Text size="sm" aria-live="polite">
      {phase === "frozen" &&
        (connections > 0
          ? `${plural(connections, "client")} still connected; they are being disconnected.`
          : "Nobody is connected, and nobody gets in. Everything is kept.")}
      {phase === "draining" && `${plural(connections, "client")} still connected; the purge waits for them to end.`}
      {phase === "purging" && "Brokers are erasing what they hold. A broker that is away does it when it returns."}
      {phase === "verifying" && "Nothing is left on the brokers that have looked. Waiting for the others."}
      {phase === "done" && (
        <>
          No broker holds anything of it
          {purged_at && (
            <>
              , confirmed by the last one <Time value={purged_at} />
            </>
          )}
          .
        </>
      )}
    </Text>
  );
}

function DiskTable({ disks }: { disks: BrokerDisk[] }) {
  return (
    <DataTable
      label="Brokers and their disks"
      rows={disks}
      rowKey={(disk) => `${disk.kind} ${disk.broker}`}
      columns={[
        {
          header: "Broker",
          cell: (disk) => (
            <Text size="sm" fw={500}>
              {disk.broker}
            </Text>
          ),
        },
        {
          header: "State",
          cell: (disk) => {
            const { tone, words } = diskWords(disk);
            return <Status tone={tone}>{words}</Status>;
          },
        },
        {
          header: "Found there",
          align: "right",
          cell: (disk) => (disk.state === "kept" ? "" : formatBytes(disk.bytes)),
        },
        { header: "Last told", cell: (disk) => (disk.heard_at ? <Time value={disk.heard_at} /> : "Never") },
      ]}
    />
  );
}
