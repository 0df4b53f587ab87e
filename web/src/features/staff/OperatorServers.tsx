import { Button, Group, Text, Title } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Plug } from "lucide-react";
import { useState } from "react";
import { type BrokerReceipt, type Operator, operatorDelivery, type Server, serversOf } from "../../api/operators";
import { DataTable } from "../../ui/DataTable";
import { formatCount, plural } from "../../ui/format";
import { LoadMore } from "../../ui/LoadMore";
import { TableSkeleton } from "../../ui/Skeletons";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { Loaded } from "../problems/Loaded";
import { AttachServerDialog } from "./AttachServerDialog";
import { DetachServerDialog } from "./DetachServerDialog";

const poll = 5_000;

/** OperatorServers are the unmodified nats-servers that were attached, and what each has confirmed. */
export function OperatorServers({ operator }: { operator: Operator }) {
  const servers = useInfiniteQuery({ ...serversOf(operator.id), refetchInterval: poll });
  const delivery = useQuery({ ...operatorDelivery(operator.id), refetchInterval: poll });
  const [attaching, setAttaching] = useState(false);
  const [detaching, setDetaching] = useState<Server>();
  const receipts = new Map(delivery.data?.brokers.map((receipt) => [receipt.broker_id, receipt]));
  return (
    <>
      <Group justify="space-between" px={20} py={12}>
        <div>
          <Title order={3} size="sm">
            Attached nats-servers
          </Title>
          <Text size="sm" c="dimmed" maw="75ch">
            Unmodified servers, alone or in a cluster without brokers, that are kept up to date from here.
          </Text>
        </div>
        <Button variant="default" leftSection={<Plug size={16} />} onClick={() => setAttaching(true)}>
          Attach a server
        </Button>
      </Group>
      <Loaded query={servers} what="the attached servers" skeleton={<TableSkeleton rows={1} />}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.items);
          return (
            rows.length > 0 && (
              <>
                <ServerTable servers={rows} receipts={receipts} onDetach={setDetaching} />
                <LoadMore
                  hasMore={servers.hasNextPage}
                  loading={servers.isFetchingNextPage}
                  onMore={() => void servers.fetchNextPage()}
                />
              </>
            )
          );
        }}
      </Loaded>
      <AttachServerDialog operator={operator.id} opened={attaching} onClose={() => setAttaching(false)} />
      <DetachServerDialog server={detaching} onClose={() => setDetaching(undefined)} />
    </>
  );
}

type ServerTableProps = {
  servers: Server[];
  receipts: Map<string, BrokerReceipt>;
  onDetach: (server: Server) => void;
};

function ServerTable({ servers, receipts, onDetach }: ServerTableProps) {
  return (
    <DataTable
      label="Attached nats-servers"
      rows={servers}
      rowKey={(server) => server.id}
      columns={[
        {
          header: "Server",
          cell: (server) => (
            <>
              <Text size="sm" fw={500}>
                {server.name}
              </Text>
              <Text size="xs" c="dimmed">
                {server.members.length === 0
                  ? "No server found yet"
                  : server.members.map(({ name }) => name).join(", ")}
              </Text>
            </>
          ),
        },
        {
          header: "URLs",
          cell: (server) => (
            <Text size="xs" ff="monospace" component="div">
              {server.urls.map((url) => (
                <div key={url}>{url}</div>
              ))}
            </Text>
          ),
        },
        { header: "State", cell: (server) => <ServerState server={server} receipt={receipts.get(server.id)} /> },
        {
          header: "Applied revision",
          align: "right",
          cell: (server) => formatCount(receipts.get(server.id)?.applied_revision ?? 0),
        },
        {
          header: "Last heard",
          cell: (server) => {
            const heard = receipts.get(server.id)?.heard_at;
            return heard ? <Time value={heard} /> : "Never";
          },
        },
        {
          header: "Actions",
          quiet: true,
          align: "right",
          cell: (server) => (
            <Button variant="default" size="xs" aria-label={`Detach ${server.name}`} onClick={() => onDetach(server)}>
              Detach
            </Button>
          ),
        },
      ]}
    />
  );
}

/** ServerState names the worst first: not reached, refusing, a part of it away, behind. */
function ServerState({ server, receipt }: { server: Server; receipt?: BrokerReceipt }) {
  const away = server.members.filter((member) => member.away);
  const refusal = receipt?.refusals[0];
  if (!receipt) return <Status tone="quiet">Not known yet</Status>;
  if (!receipt.connected) {
    return <Status tone="stopped">Not connected{receipt.last_error === null ? "" : `: ${receipt.last_error}`}</Status>;
  }
  if (refusal) {
    return (
      <Status tone="stopped">
        Refuses {plural(receipt.refusals.length, "account")}: {refusal.reason}
      </Status>
    );
  }
  if (away.length > 0) return <Status tone="attention">Away: {away.map(({ name }) => name).join(", ")}</Status>;
  if (receipt.lag > 0) return <Status tone="attention">{plural(receipt.lag, "revision")} behind</Status>;
  return <Status tone="ok">Caught up</Status>;
}
