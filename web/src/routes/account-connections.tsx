import { Stack } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Cable, ShieldCheck } from "lucide-react";
import { type Account, connectionsOf, refusalsOf } from "../api/accounts";
import { useAccount } from "../features/accounts/AccountContext";
import { ConnectionTable } from "../features/accounts/ConnectionTable";
import { RefusalTable } from "../features/accounts/RefusalTable";
import { Loaded } from "../features/problems/Loaded";
import { EmptyState } from "../ui/EmptyState";
import { plural } from "../ui/format";
import { ButtonLink } from "../ui/links";
import { LoadMore } from "../ui/LoadMore";
import { Notice } from "../ui/Notice";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const poll = 2_000;

export function AccountConnectionsPage() {
  const account = useAccount();
  return (
    <Stack gap="lg">
      <Connected account={account} />
      <Refused account={account} />
    </Stack>
  );
}

function Connected({ account }: { account: Account }) {
  const connections = useQuery({ ...connectionsOf(account.id), refetchInterval: poll });
  return (
    <Panel
      flush
      title={connections.data ? `${plural(connections.data.items.length, "client")} connected now` : "Connected now"}
      description="Asked of the brokers every two seconds while this page is open."
    >
      <Loaded query={connections} what="the connections" skeleton={<TableSkeleton rows={3} />}>
        {(data) => (
          <>
            {data.brokers_answered < data.brokers_asked && (
              <div style={{ padding: "0 20px 16px" }}>
                <Notice tone="attention" role="status">
                  {data.brokers_answered} of {plural(data.brokers_asked, "broker")} answered in time: this list is not
                  whole.
                </Notice>
              </div>
            )}
            {data.items.length === 0 ? (
              <EmptyState
                icon={<Cable size={32} />}
                title="Nobody is connected"
                action={
                  <ButtonLink to="/accounts/$account/connect" params={{ account: account.id }}>
                    Connect a client
                  </ButtonLink>
                }
              >
                Clients appear here the moment they connect, with where from, over what and how much they have said.
              </EmptyState>
            ) : (
              <ConnectionTable connections={data.items} />
            )}
          </>
        )}
      </Loaded>
    </Panel>
  );
}

function Refused({ account }: { account: Account }) {
  const refusals = useInfiniteQuery({ ...refusalsOf(account.id), refetchInterval: poll });
  return (
    <Panel
      flush
      title="Refused logins"
      description="A refused client only hears “Authorization Violation”. Here is why, for seven days."
    >
      <Loaded query={refusals} what="the refused logins" skeleton={<TableSkeleton rows={2} />}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.items);
          return rows.length === 0 ? (
            <EmptyState icon={<ShieldCheck size={32} />} title="Nobody was refused">
              When a client is not let in, its user, the reason and where it came from appear here within seconds.
            </EmptyState>
          ) : (
            <>
              <RefusalTable account={account.id} refusals={rows} />
              <LoadMore
                hasMore={refusals.hasNextPage}
                loading={refusals.isFetchingNextPage}
                onMore={() => void refusals.fetchNextPage()}
              />
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}
