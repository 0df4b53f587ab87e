import { Group, Select } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Outlet, useParams } from "@tanstack/react-router";
import { KeyRound, Search } from "lucide-react";
import { accountCredentials, type CredentialStatus } from "../api/credentials";
import { useAccount } from "../features/accounts/AccountContext";
import { CredentialList } from "../features/creds/CredentialList";
import { credentialStates } from "../features/creds/usable";
import { Loaded } from "../features/problems/Loaded";
import { EmptyState } from "../ui/EmptyState";
import { ButtonLink } from "../ui/links";
import { LoadMore } from "../ui/LoadMore";
import { Panel } from "../ui/Panel";
import { TableSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/accounts/$account/credentials");

export function AccountCredentialsPage() {
  const account = useAccount();
  const { credential: open } = useParams({ strict: false });
  const { status } = route.useSearch();
  const navigate = route.useNavigate();
  const credentials = useInfiniteQuery({
    // What expires is read by when; everything else by what came last.
    ...accountCredentials(account.id, { status, sort: status === "expiring" ? "expires_at" : "-created_at" }),
    placeholderData: keepPreviousData,
  });
  return (
    <>
      <Panel flush title="Creds" description="Those of all users, and when and where each was used last.">
        <Group gap="sm" px="md" pb="sm">
          <Select
            aria-label="State"
            data={credentialStates}
            value={status ?? ""}
            onChange={(next) => void navigate({ search: next ? { status: next as CredentialStatus } : {} })}
            w={180}
          />
        </Group>
        <Loaded query={credentials} what="the creds" skeleton={<TableSkeleton />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            if (rows.length === 0 && status) {
              return (
                <EmptyState icon={<Search size={32} />} title="None in this state">
                  Creds that expire show as such in the last fifth of their life, at most 14 days before.
                </EmptyState>
              );
            }
            if (rows.length === 0) {
              return (
                <EmptyState
                  icon={<KeyRound size={32} />}
                  title="No creds yet"
                  action={
                    <ButtonLink to="/accounts/$account/users" params={{ account: account.id }}>
                      Users
                    </ButtonLink>
                  }
                >
                  Creds are the files that clients connect with. They are issued to a user.
                </EmptyState>
              );
            }
            return (
              <>
                <CredentialList credentials={rows} open={open} withUser />
                <LoadMore
                  hasMore={credentials.hasNextPage}
                  loading={credentials.isFetchingNextPage}
                  onMore={() => void credentials.fetchNextPage()}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <Outlet />
    </>
  );
}
