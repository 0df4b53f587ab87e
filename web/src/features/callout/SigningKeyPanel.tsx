import { Button, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { PenLine, Plus } from "lucide-react";
import { useState } from "react";
import type { Account, AccountSigningKey } from "../../api/accounts";
import { rolesOf } from "../../api/roles";
import { type Column, DataTable } from "../../ui/DataTable";
import { EmptyState } from "../../ui/EmptyState";
import { shortenKey } from "../../ui/format";
import { Key } from "../../ui/Key";
import { TextLink } from "../../ui/links";
import { Panel } from "../../ui/Panel";
import { AccountChangeProblem, ChangeDone } from "../accounts/AccountChange";
import { RemoveFromAccountDialog } from "../accounts/RemoveFromAccountDialog";
import { useAccountChange } from "../accounts/useAccountChange";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useFocusOnError } from "../problems/useAct";

type SigningKeyPanelProps = { account: Account; mayEdit: boolean };

/** SigningKeyPanel is the keys that sign users of the account without us. */
export function SigningKeyPanel({ account, mayEdit }: SigningKeyPanelProps) {
  const roles = useRoles(account.id);
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<AccountSigningKey>();
  const columns: (Column<AccountSigningKey> | false)[] = [
    {
      header: "For",
      cell: (key) => (
        <Text size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>
          {key.description || "Unnamed"}
        </Text>
      ),
    },
    { header: "Public key", cell: (key) => <Key value={key.public_key} what="public key" /> },
    {
      header: "Those whom it signs",
      cell: (key) =>
        key.role_id ? (
          <Text size="sm" component="div">
            Are in{" "}
            <TextLink to="/accounts/$account/roles/$role" params={{ account: account.id, role: key.role_id }} size="sm">
              {roles.find((role) => role.id === key.role_id)?.name ?? "a role that is gone"}
            </TextLink>
          </Text>
        ) : (
          <Text size="sm">Have the permissions that it gives each</Text>
        ),
    },
    mayEdit && {
      header: "Remove",
      quiet: true,
      align: "right",
      cell: (key) => (
        <Button
          size="compact-sm"
          variant="default"
          aria-label={`Remove ${keyName(key)}`}
          onClick={() => setRemoving(key)}
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
        title="Signing keys of your own"
        description="Keys whose seeds you keep, to sign users of this account with: what an authorization service needs."
        actions={
          mayEdit && (
            <Button variant="default" leftSection={<Plus size={16} />} onClick={() => setAdding(true)}>
              Add signing key
            </Button>
          )
        }
      >
        {account.signing_keys.length === 0 ? (
          <EmptyState icon={<PenLine size={28} />} title="None but ours">
            Roles have signing keys that Signalbox keeps sealed. Add one only for a program of yours that signs users.
          </EmptyState>
        ) : (
          <DataTable
            label="Signing keys"
            rows={account.signing_keys}
            rowKey={(key) => key.public_key}
            columns={columns.filter((column) => column !== false)}
          />
        )}
      </Panel>
      {adding && <AddKeyDialog account={account} onClose={() => setAdding(false)} />}
      {removing && <RemoveKeyDialog account={account} signingKey={removing} onClose={() => setRemoving(undefined)} />}
    </>
  );
}

const keyName = ({ description, public_key }: AccountSigningKey) => description || shortenKey(public_key);

function useRoles(account: string) {
  const { data } = useInfiniteQuery(rolesOf(account));
  return data?.pages.flatMap((page) => page.items).filter((role) => !role.private) ?? [];
}

function AddKeyDialog({ account, onClose }: { account: Account; onClose: () => void }) {
  const { base, act, pending, problem, done, takeTheirs } = useAccountChange(account);
  const roles = useRoles(account.id);
  const [publicKey, setPublicKey] = useState("");
  const [description, setDescription] = useState("");
  const [role, setRole] = useState("");
  const form = useFocusOnError(problem);
  const at = `/signing_keys/${base.signing_keys.length}`;
  const errors = placeFieldErrors(problem, [`${at}/public_key`, `${at}/role_id`, `${at}/description`]);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={done ? "Added" : "Add a signing key"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {done ? (
        <ChangeDone account={account.id} title="Whom it signs gets in from now on" onClose={onClose} />
      ) : (
        <form
          ref={form}
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            const added: AccountSigningKey = {
              public_key: publicKey.trim(),
              ...(role && { role_id: role }),
              ...(description.trim() && { description: description.trim() }),
            };
            act({ signing_keys: [...base.signing_keys, added] });
          }}
        >
          <Stack gap="md">
            <TextInput
              label="Public key"
              description="Of an account key pair, as nk -gen account makes one: starts with A. Never paste a seed, which starts with S."
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
              autoComplete="off"
              data-autofocus
              value={publicKey}
              onChange={(event) => setPublicKey(event.currentTarget.value)}
              error={errors.at(`${at}/public_key`)}
            />
            <TextInput
              label="What it is for"
              description="Optional."
              placeholder="the authorization service"
              maxLength={512}
              value={description}
              onChange={(event) => setDescription(event.currentTarget.value)}
              error={errors.at(`${at}/description`)}
            />
            <Select
              label="Those whom it signs"
              description="Without a role, who has the seed gives each user what permissions it likes, within the account's limits."
              data={[
                { value: "", label: "Have the permissions that it gives each" },
                ...roles.map(({ id, name }) => ({ value: id, label: `Are in the role ${name}` })),
              ]}
              value={role}
              allowDeselect={false}
              onChange={(next) => setRole(next ?? "")}
              error={errors.at(`${at}/role_id`)}
            />
            <AccountChangeProblem problem={problem} errors={errors} onTakeTheirs={() => void takeTheirs()} />
            <Group justify="flex-end" gap="sm">
              <Button variant="default" onClick={onClose}>
                Cancel
              </Button>
              <Button type="submit" loading={pending}>
                Add signing key
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

type RemoveKeyDialogProps = { account: Account; signingKey: AccountSigningKey; onClose: () => void };

function RemoveKeyDialog({ account, signingKey, onClose }: RemoveKeyDialogProps) {
  return (
    <RemoveFromAccountDialog
      account={account}
      change={(base) => ({ signing_keys: base.signing_keys.filter((key) => key.public_key !== signingKey.public_key) })}
      about={["removeSigningKey", signingKey.public_key]}
      title={`Remove ${keyName(signingKey)}?`}
      verb="Remove"
      done="Removed"
      meaning="What it has signed is worth nothing any more"
      onClose={onClose}
    >
      Everybody whom it has signed is disconnected and cannot return, and what a service signs with it is refused.
    </RemoveFromAccountDialog>
  );
}
