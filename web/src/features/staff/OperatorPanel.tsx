import { Badge, Button, Group } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Server } from "lucide-react";
import { brokersOf, type Operator } from "../../api/operators";
import { EmptyState } from "../../ui/EmptyState";
import { Facts } from "../../ui/Facts";
import { formatCount } from "../../ui/format";
import { Key } from "../../ui/Key";
import { LoadMore } from "../../ui/LoadMore";
import { Panel } from "../../ui/Panel";
import { TableSkeleton } from "../../ui/Skeletons";
import { Loaded } from "../problems/Loaded";
import { OperatorActs } from "./OperatorActs";
import { OperatorBrokers } from "./OperatorBrokers";
import { OperatorKeys } from "./OperatorKeys";
import { OperatorServers } from "./OperatorServers";
import { SystemAccount } from "./SystemAccount";

const poll = 5_000;

export function OperatorPanel({ operator, onEnroll }: { operator: Operator; onEnroll: () => void }) {
  const brokers = useInfiniteQuery({ ...brokersOf(operator.id), refetchInterval: poll });
  return (
    <Panel
      flush
      title={
        <Group gap="xs">
          {operator.name}
          {operator.is_default && (
            <Badge variant="default" size="sm" tt="none">
              Default for sign-ups
            </Badge>
          )}
        </Group>
      }
      description={operator.description || undefined}
      actions={<OperatorActs operator={operator} />}
    >
      <div style={{ padding: "0 20px 12px" }}>
        <Facts
          items={[
            ["Revision", formatCount(operator.revision)],
            ...(operator.tags.length > 0 ? [["Tags", operator.tags.join(", ")] as [string, string]] : []),
            ["Public key", <Key key="key" value={operator.public_key} what="operator's public key" />],
            ["Signing key", <Key key="signing" value={operator.signing_public_key} what="signing key" />],
          ]}
        />
      </div>
      <Loaded query={brokers} what="the brokers" skeleton={<TableSkeleton rows={2} />}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.items);
          return rows.length === 0 ? (
            <EmptyState
              icon={<Server size={32} />}
              title="No broker enrolled"
              action={
                <Button variant="default" onClick={onEnroll}>
                  Enrol a broker
                </Button>
              }
              command={`broker --control ${window.location.origin} --token sbe_…`}
            >
              Without a broker no client can connect. Make an enrolment token and start one with it.
            </EmptyState>
          ) : (
            <>
              <OperatorBrokers brokers={rows} revision={operator.revision} />
              <LoadMore
                hasMore={brokers.hasNextPage}
                loading={brokers.isFetchingNextPage}
                onMore={() => void brokers.fetchNextPage()}
              />
            </>
          );
        }}
      </Loaded>
      <OperatorServers operator={operator} />
      <OperatorKeys operator={operator} />
      <SystemAccount operator={operator} />
    </Panel>
  );
}
