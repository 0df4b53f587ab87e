import { Button, Group, Text } from "@mantine/core";
import type { Credential } from "../../api/credentials";
import { DataTable } from "../../ui/DataTable";
import { plural } from "../../ui/format";
import { Key } from "../../ui/Key";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";

type CredentialListProps = {
  credentials: Credential[];
  /** Absent: the person may not. */
  onRevoke?: (credential: Credential) => void;
  onRotate?: (credential: Credential) => void;
  /** How many clients use each now, by public key; absent while nobody knows. */
  uses?: Map<string, number>;
};

export function CredentialList({ credentials, onRevoke, onRotate, uses }: CredentialListProps) {
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
        { header: "Used by", cell: (credential) => <Use count={uses && (uses.get(credential.public_key) ?? 0)} /> },
        { header: "Issued", cell: (credential) => <Time value={credential.issued_at} /> },
        {
          header: "Rotate or revoke",
          quiet: true,
          align: "right",
          cell: (credential) =>
            credential.status === "active" && (
              <Group gap={6} wrap="nowrap" justify="flex-end">
                {onRotate && (
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={`Rotate ${credential.name || credential.public_key}`}
                    onClick={() => onRotate(credential)}
                  >
                    Rotate
                  </Button>
                )}
                {onRevoke && (
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={`Revoke ${credential.name || credential.public_key}`}
                    onClick={() => onRevoke(credential)}
                  >
                    Revoke
                  </Button>
                )}
              </Group>
            ),
        },
      ]}
    />
  );
}

function Use({ count }: { count: number | undefined }) {
  if (count === undefined) return "…";
  return count === 0 ? (
    <Text size="sm" c="dimmed">
      Nobody now
    </Text>
  ) : (
    plural(count, "client")
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
