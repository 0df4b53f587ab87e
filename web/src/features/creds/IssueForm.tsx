import { Select, Switch, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type CredentialIssued, credentialsChanged, issueCredential } from "../../api/credentials";
import { type Role, rolesOf } from "../../api/roles";
import { createUser, type User } from "../../api/users";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { roleSentence } from "../roles/roleSentence";
import { expiresIn, lifetimes } from "./expiry";

export type Outcome = { made?: User; issued?: CredentialIssued };

type IssueFormProps = {
  account: string;
  user?: User;
  isNew: boolean;
  /** What the creds are for, unless the person says otherwise. */
  suggestedName?: string;
  onChange: (outcome: Outcome) => void;
  onCancel: () => void;
};

/** IssueForm asks for what creds need, and for the user when there is none yet. */
export function IssueForm({ account, user, isNew, suggestedName = "", onChange, onCancel }: IssueFormProps) {
  const queryClient = useQueryClient();
  const roles = useInfiniteQuery(rolesOf(account));
  const allRoles = roles.data?.pages.flatMap((page) => page.items) ?? [];
  const [userName, setUserName] = useState(user?.name ?? "");
  const [roleId, setRoleId] = useState<string | null>(user?.role_id ?? null);
  const [name, setName] = useState(suggestedName);
  const [expiry, setExpiry] = useState("");
  const [ownSeed, setOwnSeed] = useState(false);
  const [publicKey, setPublicKey] = useState("");
  // What the problem is about decides whose /name it names.
  const [step, setStep] = useState<"user" | "credential">(user ? "credential" : "user");
  const withKey = useIdempotencyKey();
  const role = chosenRole(allRoles, roleId);

  const { act, pending, problem } = useAct(async () => {
    let holder = user;
    if (!holder) {
      setStep("user");
      const body = { name: userName.trim(), ...(roleId && { role_id: roleId }) };
      holder = await withKey(body, (key) => createUser(account, body, key));
      onChange({ made: holder });
      await queryClient.invalidateQueries({ queryKey: ["accounts", account, "users"] });
    }
    setStep("credential");
    const body = {
      name: name.trim(),
      expires_in: expiresIn(expiry),
      ...(ownSeed && { public_key: publicKey.trim() }),
    };
    const issued = await issueCredential(holder.id, body);
    onChange({ made: isNew ? holder : undefined, issued });
    await credentialsChanged(queryClient, account, holder.id);
  });
  const errors = placeFieldErrors(
    problem,
    step === "user" ? ["/name", "/role_id"] : ["/name", "/expires_in", ...(ownSeed ? ["/public_key"] : [])],
  );
  const of = (owner: typeof step, pointer: string) => (step === owner ? errors.at(pointer) : undefined);

  return (
    <ActForm
      verb={isNew ? "Create user and issue creds" : "Issue creds"}
      pending={pending}
      problem={problem}
      errors={errors}
      onSubmit={act}
      onCancel={onCancel}
    >
      {isNew && (
        <TextInput
          label="User name"
          description="Who or what connects, such as billing. Letters, digits, - and _."
          data-autofocus
          maxLength={64}
          readOnly={user !== undefined}
          value={userName}
          onChange={(event) => setUserName(event.currentTarget.value)}
          error={of("user", "/name")}
        />
      )}
      {isNew && !user ? (
        <Select
          label="Role"
          data={allRoles.map(({ id, name: label }) => ({ value: id, label }))}
          value={role?.id ?? null}
          onChange={setRoleId}
          placeholder={roles.isPending ? "Loading roles…" : "default"}
          error={of("user", "/role_id")}
          description={role && roleSentence(role)}
          inputWrapperOrder={["label", "input", "description", "error"]}
        />
      ) : (
        role && (
          <Text size="sm">
            Role <strong>{role.name}</strong>.{" "}
            <Text span c="dimmed">
              {roleSentence(role)}
            </Text>
          </Text>
        )
      )}
      <TextInput
        label="What these creds are for"
        description="Optional, such as a machine's name: it tells them apart when one has to be revoked."
        data-autofocus={isNew ? undefined : true}
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={of("credential", "/name")}
      />
      <Select
        label="Expiry"
        data={lifetimes}
        value={expiry}
        onChange={(next) => setExpiry(next ?? "")}
        error={of("credential", "/expires_in")}
      />
      <Switch
        label="I keep the seed myself"
        description="Give us the public half of a user nkey; you get a JWT and nobody but you ever has the seed."
        checked={ownSeed}
        onChange={(event) => setOwnSeed(event.currentTarget.checked)}
      />
      {ownSeed && (
        <TextInput
          label="Public key"
          description="Starts with U. Never paste a seed, which starts with S."
          ff="monospace"
          autoComplete="off"
          value={publicKey}
          onChange={(event) => setPublicKey(event.currentTarget.value)}
          error={of("credential", "/public_key")}
        />
      )}
    </ActForm>
  );
}

/** chosenRole is the role that the server will take: `default` when none was picked. */
function chosenRole(roles: Role[], id: string | null): Role | undefined {
  return roles.find((role) => (id ? role.id === id : role.name === "default"));
}
