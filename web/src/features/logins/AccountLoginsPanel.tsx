import { Group, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Cpu, Search } from "lucide-react";
import { useState } from "react";
import type { Account } from "../../api/accounts";
import type { CredentialStatus } from "../../api/credentials";
import { accountDeviceLogins, type DeviceLogin, type DeviceLoginKind } from "../../api/deviceLogins";
import { EmptyState } from "../../ui/EmptyState";
import { ButtonLink } from "../../ui/links";
import { LoadMore } from "../../ui/LoadMore";
import { Panel } from "../../ui/Panel";
import { TableSkeleton } from "../../ui/Skeletons";
import { countByKey, useConnections } from "../accounts/closes";
import { credentialStates } from "../creds/usable";
import { Loaded } from "../problems/Loaded";
import { DeviceLoginList } from "./DeviceLoginList";
import { kindNames } from "./loginWords";
import { RevokeLoginDialog } from "./RevokeLoginDialog";

export type LoginFilter = { kind?: DeviceLoginKind; status?: CredentialStatus };

type AccountLoginsPanelProps = {
  account: Account;
  filter: LoginFilter;
  onFilter: (filter: LoginFilter) => void;
  /** The login whose detail is open beside the list. */
  open?: string;
  mayEdit: boolean;
};

const kinds = [
  { value: "", label: "All kinds" },
  ...Object.entries(kindNames).map(([value, label]) => ({ value, label })),
];

/** AccountLoginsPanel is the device logins of all users. */
export function AccountLoginsPanel({ account, filter, onFilter, open, mayEdit }: AccountLoginsPanelProps) {
  const { kind, status } = filter;
  const [q, setQ] = useState("");
  const [asked] = useDebouncedValue(q.trim(), 200);
  const logins = useInfiniteQuery({
    // What expires is read by when; everything else by what came last.
    ...accountDeviceLogins(account.id, {
      kind,
      status,
      q: asked || undefined,
      sort: status === "expiring" ? "expires_at" : "-created_at",
    }),
    placeholderData: keepPreviousData,
  });
  const connections = useConnections(account.id, () => true);
  const [revoking, setRevoking] = useState<DeviceLogin>();
  return (
    <>
      <Panel
        flush
        title="Device logins"
        description="Passwords, tokens, nkeys and certificates of all users, for clients that cannot read a creds file."
      >
        <Group gap="sm" px="md" pb="sm">
          <TextInput
            aria-label="Search device logins"
            placeholder="Search by what it is for, user or match"
            leftSection={<Search size={15} />}
            style={{ flex: "1 1 14rem" }}
            maxLength={128}
            value={q}
            onChange={(event) => setQ(event.currentTarget.value)}
          />
          <Select
            aria-label="Kind"
            data={kinds}
            value={kind ?? ""}
            allowDeselect={false}
            onChange={(next) => onFilter({ status, ...(next && { kind: next as DeviceLoginKind }) })}
            w={150}
          />
          <Select
            aria-label="State"
            data={credentialStates}
            value={status ?? ""}
            allowDeselect={false}
            onChange={(next) => onFilter({ kind, ...(next && { status: next as CredentialStatus }) })}
            w={150}
          />
        </Group>
        <Loaded query={logins} what="the device logins" skeleton={<TableSkeleton rows={3} />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            if (rows.length === 0 && (asked || kind || status)) {
              return (
                <EmptyState icon={<Search size={28} />} title="None is like this">
                  Any part of what a login is for is found, and of its user name, its match, its key or its user.
                </EmptyState>
              );
            }
            if (rows.length === 0) {
              return (
                <EmptyState
                  icon={<Cpu size={28} />}
                  title="No device logins"
                  action={
                    <ButtonLink variant="default" to="/accounts/$account/users" params={{ account: account.id }}>
                      Users
                    </ButtonLink>
                  }
                  command={`curl -X POST ${window.location.origin}/v1/users/$USER/device-logins \\\n  -H "Authorization: Bearer $SIGNALBOX_TOKEN" \\\n  -H "Content-Type: application/json" -d '{"kind":"password"}'`}
                >
                  A device login stands for a user: create one on the user's page.
                </EmptyState>
              );
            }
            return (
              <>
                <DeviceLoginList
                  logins={rows}
                  open={open}
                  withUser
                  uses={connections && countByKey(connections)}
                  onRevoke={mayEdit ? setRevoking : undefined}
                />
                <LoadMore
                  hasMore={logins.hasNextPage}
                  loading={logins.isFetchingNextPage}
                  onMore={() => void logins.fetchNextPage()}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <RevokeLoginDialog login={revoking} onClose={() => setRevoking(undefined)} />
    </>
  );
}
