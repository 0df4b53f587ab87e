import { Button, Group, Text } from "@mantine/core";
import type { Credential } from "../../api/credentials";
import { type Column, DataTable } from "../../ui/DataTable";
import { plural } from "../../ui/format";
import { Key } from "../../ui/Key";
import { TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";
import { CredentialState } from "./CredentialState";
import { LastSeen } from "./LastSeen";
import { nameOf, usable } from "./usable";

type CredentialListProps = {
  credentials: Credential[];
  /** The row whose detail is open beside the list. */
  open?: string;
  /** The list is of many users, so each row says whose it is. */
  withUser?: boolean;
  /** How many clients use each now, by public key; absent while nobody knows. */
  uses?: Map<string, number>;
  /** Absent: the person may not, or acts are elsewhere. */
  onRotate?: (credential: Credential) => void;
  onRevoke?: (credential: Credential) => void;
};

export function CredentialList({ credentials, open, withUser, uses, onRotate, onRevoke }: CredentialListProps) {
  const columns: (Column<Credential> | false)[] = [
    {
      header: "For",
      cell: (credential) => (
        <>
          <TextLink
            to="/accounts/$account/credentials/$credential"
            params={{ account: credential.account_id, credential: credential.id }}
            resetScroll={false}
            size="sm"
            fw={500}
          >
            {credential.name || "Unnamed"}
          </TextLink>
          <br />
          <Key value={credential.public_key} what="public key" />
        </>
      ),
    },
    withUser === true && {
      header: "User",
      cell: (credential) => (
        <TextLink
          to="/accounts/$account/users/$user"
          params={{ account: credential.account_id, user: credential.user_id }}
          size="sm"
        >
          {credential.user}
        </TextLink>
      ),
    },
    { header: "State", cell: (credential) => <CredentialState credential={credential} /> },
    {
      header: "Last seen",
      cell: (credential) => (
        <>
          <LastSeen seen={credential.last_seen} />
          <Use count={uses?.get(credential.public_key)} />
        </>
      ),
    },
    withUser === true && { header: "Issued", cell: (credential) => <Time value={credential.issued_at} /> },
    (onRotate !== undefined || onRevoke !== undefined) && {
      header: "Rotate or revoke",
      quiet: true,
      align: "right",
      cell: (credential) =>
        usable(credential) && (
          <Group gap={6} wrap="nowrap" justify="flex-end">
            {onRotate && (
              <Button
                size="compact-sm"
                variant="default"
                aria-label={`Rotate ${nameOf(credential)}`}
                onClick={() => onRotate(credential)}
              >
                Rotate
              </Button>
            )}
            {onRevoke && (
              <Button
                size="compact-sm"
                variant="default"
                aria-label={`Revoke ${nameOf(credential)}`}
                onClick={() => onRevoke(credential)}
              >
                Revoke
              </Button>
            )}
          </Group>
        ),
    },
  ];
  return (
    <DataTable
      label="Creds"
      rows={credentials}
      rowKey={(credential) => credential.id}
      isOpen={(credential) => credential.id === open}
      columns={columns.filter((column) => column !== false)}
    />
  );
}

function Use({ count }: { count: number | undefined }) {
  if (!count) return null;
  return (
    <Text size="xs" fw={500} c="var(--sb-ok)">
      {plural(count, "client")} now
    </Text>
  );
}
