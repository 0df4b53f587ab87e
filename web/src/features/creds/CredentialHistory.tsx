import { Text } from "@mantine/core";
import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import type { CredentialHistoryItem } from "../../api/credentials";
import { DataTable } from "../../ui/DataTable";
import { LoadMore } from "../../ui/LoadMore";
import { Panel } from "../../ui/Panel";
import { TableSkeleton } from "../../ui/Skeletons";
import { Time } from "../../ui/Time";
import { Loaded } from "../problems/Loaded";
import { Actor } from "../tenants/Actor";

type CredentialHistoryProps = {
  /** Whose history it is. */
  id: string;
  history: UseInfiniteQueryResult<InfiniteData<{ items: CredentialHistoryItem[] }>>;
  actors: Map<string, string>;
  /** The word for how it began. */
  issued: string;
};

export function CredentialHistory({ id, history, actors, issued }: CredentialHistoryProps) {
  const words = { issued, renewed: "Renewed", revoked: "Revoked" };
  return (
    <Panel flush title="History">
      <Loaded query={history} what="the history" skeleton={<TableSkeleton rows={2} />}>
        {({ pages }) => (
          <>
            <DataTable
              label="History"
              rows={pages.flatMap((page) => page.items)}
              rowKey={(item) => item.id}
              columns={[
                {
                  header: "What",
                  cell: (item) => (
                    <Text size="sm" fw={500}>
                      {words[item.event]}
                    </Text>
                  ),
                },
                {
                  header: "Who",
                  cell: (item) =>
                    item.by === id ? "Itself, by proof of its key" : <Actor id={item.by} actors={actors} />,
                },
                { header: "When", cell: (item) => <Time value={item.at} /> },
              ]}
            />
            <LoadMore
              hasMore={history.hasNextPage}
              loading={history.isFetchingNextPage}
              onMore={() => void history.fetchNextPage()}
            />
          </>
        )}
      </Loaded>
    </Panel>
  );
}
