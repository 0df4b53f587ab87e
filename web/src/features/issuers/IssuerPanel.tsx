import { useInfiniteQuery } from "@tanstack/react-query";
import { Fingerprint } from "lucide-react";
import type { Account } from "../../api/accounts";
import { oidcIssuersOf } from "../../api/oidcIssuers";
import { EmptyState } from "../../ui/EmptyState";
import { LoadMore } from "../../ui/LoadMore";
import { Panel } from "../../ui/Panel";
import { TableSkeleton } from "../../ui/Skeletons";
import { Loaded } from "../problems/Loaded";

type IssuerPanelProps = { account: Account; mayEdit: boolean };

/** IssuerPanel is whose tokens the account takes, and whom they stand for. */
export function IssuerPanel({ account }: IssuerPanelProps) {
  const issuers = useInfiniteQuery(oidcIssuersOf(account.id));
  return (
    <Panel flush title="Token issuers (OpenID Connect)">
      <Loaded query={issuers} what="the issuers" skeleton={<TableSkeleton rows={2} />}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.items);
          return rows.length === 0 ? (
            <EmptyState icon={<Fingerprint size={32} />} title="No token issuers">
              Pipelines, pods and people often have a signed token already. Taken from their issuer, it stands in place
              of creds.
            </EmptyState>
          ) : (
            <>
              <ul>
                {rows.map((issuer) => (
                  <li key={issuer.id}>{issuer.url}</li>
                ))}
              </ul>
              <LoadMore
                hasMore={issuers.hasNextPage}
                loading={issuers.isFetchingNextPage}
                onMore={() => void issuers.fetchNextPage()}
              />
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}
