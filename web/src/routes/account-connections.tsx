import { useQuery } from "@tanstack/react-query";
import { Cable } from "lucide-react";
import { connectionsOf } from "../api/accounts";
import { useAccount } from "../features/accounts/AccountContext";
import { ConnectionTable } from "../features/accounts/ConnectionTable";
import { Loaded } from "../features/problems/Loaded";
import { EmptyState } from "../ui/EmptyState";
import { plural } from "../ui/format";
import { ButtonLink } from "../ui/links";
import { Notice } from "../ui/Notice";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const poll = 2_000;

export function AccountConnectionsPage() {
  const account = useAccount();
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
