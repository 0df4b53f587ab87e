import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Cpu, Plus } from "lucide-react";
import { useState } from "react";
import { type DeviceLogin, deviceLoginsOf } from "../../api/deviceLogins";
import type { User } from "../../api/users";
import { EmptyState } from "../../ui/EmptyState";
import { LoadMore } from "../../ui/LoadMore";
import { Panel } from "../../ui/Panel";
import { TableSkeleton } from "../../ui/Skeletons";
import { Loaded } from "../problems/Loaded";
import { CreateLoginDialog } from "./CreateLoginDialog";
import { DeviceLoginList } from "./DeviceLoginList";
import { RevokeLoginDialog } from "./RevokeLoginDialog";

type DeviceLoginPanelProps = {
  user: User;
  /** How many clients use each now, by public key; absent while nobody knows. */
  uses?: Map<string, number>;
  mayEdit: boolean;
};

/** DeviceLoginPanel is a user's ways in for clients that cannot use creds. */
export function DeviceLoginPanel({ user, uses, mayEdit }: DeviceLoginPanelProps) {
  const logins = useInfiniteQuery(deviceLoginsOf(user.id));
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<DeviceLogin>();
  return (
    <>
      <Panel
        flush
        title="Device logins"
        actions={
          mayEdit && (
            <Button size="xs" variant="default" leftSection={<Plus size={14} />} onClick={() => setCreating(true)}>
              Create device login
            </Button>
          )
        }
      >
        <Loaded query={logins} what="the device logins" skeleton={<TableSkeleton rows={2} />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            return rows.length === 0 ? (
              <EmptyState icon={<Cpu size={28} />} title="No device logins">
                For clients that cannot read a creds file: a password, a token, an nkey or a certificate, with what this
                user may do.
              </EmptyState>
            ) : (
              <>
                <DeviceLoginList logins={rows} uses={uses} onRevoke={mayEdit ? setRevoking : undefined} />
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
      <CreateLoginDialog user={user} opened={creating} onClose={() => setCreating(false)} />
      <RevokeLoginDialog login={revoking} onClose={() => setRevoking(undefined)} />
    </>
  );
}
