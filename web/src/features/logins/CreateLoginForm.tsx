import { Button, Group, Select, Stack, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { credentialsChanged } from "../../api/credentials";
import {
  type CertificateMatch,
  createDeviceLogin,
  type DeviceLoginCreate,
  type DeviceLoginCreated,
  type DeviceLoginKind,
} from "../../api/deviceLogins";
import type { User } from "../../api/users";
import { expiresIn, lifetimes } from "../creds/expiry";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";
import { kindNames, kindSentences, matchExamples, matchNames } from "./loginWords";

type CreateLoginFormProps = {
  user: User;
  onCreated: (created: DeviceLoginCreated) => void;
  onCancel: () => void;
};

const options = <K extends string>(names: Record<K, string>) =>
  Object.entries<string>(names).map(([value, label]) => ({ value, label }));

/** The fields of each kind, beside those that all have. */
const fieldsOf: Record<DeviceLoginKind, string[]> = {
  password: ["/username"],
  token: [],
  nkey: ["/public_key"],
  certificate: ["/match/kind", "/match/value", "/match"],
};

export function CreateLoginForm({ user, onCreated, onCancel }: CreateLoginFormProps) {
  const queryClient = useQueryClient();
  const [kind, setKind] = useState<DeviceLoginKind>("password");
  const [description, setDescription] = useState("");
  const [username, setUsername] = useState("");
  const [publicKey, setPublicKey] = useState("");
  const [matchKind, setMatchKind] = useState<CertificateMatch["kind"]>("uri");
  const [matchValue, setMatchValue] = useState("");
  const [expiry, setExpiry] = useState("");

  const { act, pending, problem } = useAct(async () => {
    const body: DeviceLoginCreate = {
      kind,
      expires_in: expiresIn(expiry),
      ...(description.trim() && { description: description.trim() }),
      ...(kind === "password" && username.trim() && { username: username.trim() }),
      ...(kind === "nkey" && { public_key: publicKey.trim() }),
      ...(kind === "certificate" && { match: { kind: matchKind, value: matchValue.trim() } }),
    };
    onCreated(await createDeviceLogin(user.id, body));
    await credentialsChanged(queryClient, user.account_id, user.id);
  });
  const form = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, ["/kind", "/description", "/expires_in", ...fieldsOf[kind]]);

  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        act();
      }}
    >
      <Stack gap="md">
        <Select
          label="What the client shows"
          data={options(kindNames)}
          value={kind}
          allowDeselect={false}
          onChange={(next) => next && setKind(next as DeviceLoginKind)}
          description={kindSentences[kind]}
          inputWrapperOrder={["label", "input", "description", "error"]}
          error={errors.at("/kind")}
          data-autofocus
        />
        {kind === "password" && (
          <TextInput
            label="User name"
            description="What the client sends beside the password."
            placeholder={user.name}
            maxLength={128}
            autoComplete="off"
            value={username}
            onChange={(event) => setUsername(event.currentTarget.value)}
            error={errors.at("/username")}
          />
        )}
        {kind === "nkey" && (
          <TextInput
            label="Public key"
            description="Of the client's user nkey: starts with U. Never paste a seed, which starts with S."
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            autoComplete="off"
            value={publicKey}
            onChange={(event) => setPublicKey(event.currentTarget.value)}
            error={errors.at("/public_key")}
          />
        )}
        {kind === "certificate" && (
          <Group gap="sm" align="flex-start" wrap="wrap">
            <Select
              label="Compare its"
              data={options(matchNames)}
              value={matchKind}
              allowDeselect={false}
              onChange={(next) => next && setMatchKind(next as CertificateMatch["kind"])}
              error={errors.at("/match/kind")}
            />
            <TextInput
              label="with"
              placeholder={matchExamples[matchKind]}
              maxLength={1024}
              autoComplete="off"
              style={{ flex: "1 1 16rem" }}
              value={matchValue}
              onChange={(event) => setMatchValue(event.currentTarget.value)}
              error={errors.at("/match/value") ?? errors.at("/match")}
            />
          </Group>
        )}
        <TextInput
          label="What it is for"
          description="Optional, such as a device's place: it tells logins apart when one has to be revoked."
          maxLength={64}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          error={errors.at("/description")}
        />
        <Select
          label="Expiry"
          data={lifetimes}
          value={expiry}
          onChange={(next) => setExpiry(next ?? "")}
          error={errors.at("/expires_in")}
        />
        {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onCancel}>
            Cancel
          </Button>
          <Button type="submit" loading={pending}>
            Create device login
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
