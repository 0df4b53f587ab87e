import { Select, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type ApiTokenCreate, createApiToken } from "../../api/tenants";
import { OnceDialog } from "../../ui/OnceDialog";
import { SecretText } from "../../ui/SecretText";
import { expiresAt, expiries } from "../creds/expiry";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";

type CreateApiTokenDialogProps = { tenant: string; opened: boolean; onClose: () => void };

const roles = [
  { value: "viewer", label: "Viewer: reads" },
  { value: "developer", label: "Developer: manages accounts, roles and users" },
  { value: "admin", label: "Admin: manages the team as well" },
];

export function CreateApiTokenDialog({ tenant, opened, onClose }: CreateApiTokenDialogProps) {
  const [token, setToken] = useState<string>();
  function close() {
    setToken(undefined);
    onClose();
  }
  return (
    <OnceDialog
      opened={opened}
      title={token ? "API token created" : "Create API token"}
      form={<CreateForm tenant={tenant} onCreated={setToken} onCancel={close} />}
      onClose={close}
    >
      {token && (
        <SecretText
          label="API token"
          secret={token}
          warning="This is the only time we can show you this token: we keep only its hash. Save it now; if it is lost, delete it and create another."
        />
      )}
    </OnceDialog>
  );
}

type CreateFormProps = { tenant: string; onCreated: (token: string) => void; onCancel: () => void };

function CreateForm({ tenant, onCreated, onCancel }: CreateFormProps) {
  const queryClient = useQueryClient();
  const withKey = useIdempotencyKey();
  const [name, setName] = useState("");
  const [role, setRole] = useState<ApiTokenCreate["role"]>("developer");
  const [expiry, setExpiry] = useState("90");
  const { act, pending, problem } = useAct(async () => {
    const body = { name: name.trim(), role, expires_at: expiresAt(expiry, Date.now()) };
    const { token } = await withKey(body, (key) => createApiToken(tenant, body, key));
    onCreated(token);
    await queryClient.invalidateQueries({ queryKey: ["tenants", tenant, "api-tokens"] });
  });
  const errors = placeFieldErrors(problem, ["/name", "/role", "/expires_at"]);
  return (
    <ActForm
      verb="Create API token"
      pending={pending}
      problem={problem}
      errors={errors}
      onSubmit={act}
      onCancel={onCancel}
    >
      <TextInput
        label="Name"
        description="The program that will use it."
        placeholder="ci"
        data-autofocus
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={errors.at("/name")}
      />
      <Select
        label="Role"
        data={roles}
        value={role}
        onChange={(next) => setRole((next ?? "developer") as ApiTokenCreate["role"])}
        error={errors.at("/role")}
      />
      <Select
        label="Expiry"
        data={expiries}
        value={expiry}
        onChange={(next) => setExpiry(next ?? "")}
        error={errors.at("/expires_at")}
      />
    </ActForm>
  );
}
