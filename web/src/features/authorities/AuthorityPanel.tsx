import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { type Account, authoritiesOf, type CertificateAuthority } from "../../api/accounts";
import { type Column, DataTable } from "../../ui/DataTable";
import { EmptyState } from "../../ui/EmptyState";
import { Key } from "../../ui/Key";
import { Panel } from "../../ui/Panel";
import { TableSkeleton } from "../../ui/Skeletons";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { useNow } from "../../ui/useNow";
import { Loaded } from "../problems/Loaded";
import { AddAuthorityDialog } from "./AddAuthorityDialog";
import { RemoveAuthorityDialog } from "./RemoveAuthorityDialog";

type AuthorityPanelProps = { account: Account; mayEdit: boolean };

/** AuthorityPanel is who may issue the certificates that clients of the account show. */
export function AuthorityPanel({ account, mayEdit }: AuthorityPanelProps) {
  const authorities = useQuery(authoritiesOf(account.id));
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<CertificateAuthority>();
  const addButton = mayEdit && (
    <Button variant="default" leftSection={<Plus size={16} />} onClick={() => setAdding(true)}>
      Add authority
    </Button>
  );
  const columns: (Column<CertificateAuthority> | false)[] = [
    {
      header: "Authority",
      cell: ({ subject }) => (
        <Text size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>
          {subject || "Without a subject"}
        </Text>
      ),
    },
    { header: "State", cell: (authority) => <AuthorityState authority={authority} /> },
    { header: "Fingerprint", cell: ({ fingerprint }) => <Key value={fingerprint} what="fingerprint" /> },
    mayEdit && {
      header: "Remove",
      quiet: true,
      align: "right",
      cell: (authority) => (
        <Button
          size="compact-sm"
          variant="default"
          aria-label={`Remove ${authority.subject}`}
          onClick={() => setRemoving(authority)}
        >
          Remove
        </Button>
      ),
    },
  ];
  return (
    <>
      <Panel
        flush
        title="Client certificates"
        description="Authorities whose certificates clients may show over TLS. Which certificate stands for whom, device logins say."
        actions={addButton}
      >
        <Loaded query={authorities} what="the certificate authorities" skeleton={<TableSkeleton rows={2} />}>
          {({ items }) =>
            items.length === 0 ? (
              <EmptyState icon={<ShieldCheck size={28} />} title="No certificate authorities">
                Where devices have certificates already, name who issued them: a device login for one of them then lets
                its device in, and no secret is sent.
              </EmptyState>
            ) : (
              <DataTable
                label="Certificate authorities"
                rows={items}
                rowKey={({ fingerprint }) => fingerprint}
                columns={columns.filter((column) => column !== false)}
              />
            )
          }
        </Loaded>
      </Panel>
      {adding && <AddAuthorityDialog account={account} onClose={() => setAdding(false)} />}
      {removing && (
        <RemoveAuthorityDialog account={account} authority={removing} onClose={() => setRemoving(undefined)} />
      )}
    </>
  );
}

const soon = 30 * 86_400_000;

function AuthorityState({ authority: { not_before, not_after } }: { authority: CertificateAuthority }) {
  const now = useNow(60_000);
  const left = Date.parse(not_after) - now;
  if (left <= 0) {
    return (
      <>
        <Status tone="stopped">
          Expired <Time value={not_after} />
        </Status>
        <Text size="xs" c="dimmed">
          Nobody gets in by it
        </Text>
      </>
    );
  }
  if (Date.parse(not_before) > now) {
    return (
      <Status tone="attention">
        Valid only <Time value={not_before} />
      </Status>
    );
  }
  if (left < soon) {
    return (
      <Status tone="attention">
        Expires <Time value={not_after} />
      </Status>
    );
  }
  return (
    <>
      <Status tone="ok">Trusted</Status>
      <Text size="xs" c="dimmed">
        Expires <Time value={not_after} />
      </Text>
    </>
  );
}
