import { Button, Text } from "@mantine/core";
import type { Credential } from "../../api/credentials";
import { DataTable } from "../../ui/DataTable";
import { Key } from "../../ui/Key";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";

type CredentialListProps = {
  credentials: Credential[];
  /** Absent: the person may not. */
  onRevoke?: (credential: Credential) => void;
};

export function CredentialList({ credentials, onRevoke }: CredentialListProps) {
  return (
    <DataTable
      label="Creds"
      rows={credentials}
      rowKey={(credential) => credential.id}
      columns={[
        {
          header: "For",
          cell: (credential) => (
            <>
              <Text size="sm" fw={500}>
                {credential.name || "Unnamed"}
              </Text>
              <Key value={credential.public_key} what="public key" />
            </>
          ),
        },
        { header: "State", cell: (credential) => <CredentialState credential={credential} /> },
        { header: "Issued", cell: (credential) => <Time value={credential.issued_at} /> },
        {
          header: "Revoke",
          quiet: true,
          align: "right",
          cell: (credential) =>
            onRevoke && (credential.status === "active" || credential.status === "expiring") ? (
              <Button
                size="compact-sm"
                variant="default"
                aria-label={`Revoke ${credential.name || credential.public_key}`}
                onClick={() => onRevoke(credential)}
              >
                Revoke
              </Button>
            ) : null,
        },
      ]}
    />
  );
}

function CredentialState({ credential }: { credential: Credential }) {
  if (credential.status === "revoked") {
    return (
      <>
        <Status tone="stopped">Revoked {credential.revoked_at && <Time value={credential.revoked_at} />}</Status>
        {credential.revoke_reason && (
          <Text size="xs" c="dimmed">
            {credential.revoke_reason}
          </Text>
        )}
      </>
    );
  }
  if (credential.status === "expiring") return <Status tone="attention">Expires soon</Status>;
  if (credential.status === "expired") return <Status tone="attention">Expired</Status>;
  return (
    <>
      <Status tone="ok">Active</Status>
      {credential.expires_at && (
        <Text size="xs" c="dimmed">
          Expires <Time value={credential.expires_at} />
        </Text>
      )}
    </>
  );
}
