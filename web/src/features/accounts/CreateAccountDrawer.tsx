import { Drawer, Switch, Text, Textarea, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, createAccount } from "../../api/accounts";
import { planOf } from "../../api/tenants";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { LimitFields } from "./LimitFields";
import { changedLimits, type LimitForm, limitFormOf, limitPointers } from "./limits";

type CreateAccountDrawerProps = {
  tenant: string;
  opened: boolean;
  onClose: () => void;
  onCreated: (account: Account) => void;
};

export function CreateAccountDrawer({ opened, onClose, ...form }: CreateAccountDrawerProps) {
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      position="right"
      size={560}
      title="Create account"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <CreateAccountForm {...form} onCancel={onClose} />
    </Drawer>
  );
}

type CreateAccountFormProps = { tenant: string; onCancel: () => void; onCreated: (account: Account) => void };

export function CreateAccountForm({ tenant, onCancel, onCreated }: CreateAccountFormProps) {
  const queryClient = useQueryClient();
  const plan = useQuery(planOf(tenant));
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  // Absent: the plan's.
  const [limits, setLimits] = useState<LimitForm>();
  const withKey = useIdempotencyKey();
  const planLimits = plan.data?.account_limits;

  const { act, pending, problem } = useAct(async () => {
    const own = limits && planLimits ? changedLimits(limitFormOf(planLimits), limits) : undefined;
    const body = { name: name.trim(), description: description.trim(), ...(own && { limits: own }) };
    const account = await withKey(body, (key) => createAccount(tenant, body, key));
    await queryClient.invalidateQueries({ queryKey: ["tenants", tenant] });
    onCreated(account);
  });
  const errors = placeFieldErrors(problem, ["/name", "/description", ...(limits ? limitPointers : [])]);

  return (
    <ActForm
      verb="Create account"
      pending={pending}
      problem={problem}
      errors={errors}
      onSubmit={act}
      onCancel={onCancel}
    >
      <Text size="sm" c="dimmed">
        Subjects, streams and queue groups of one account are invisible to every other. It comes with one role,{" "}
        <code>default</code>, that may publish and subscribe to everything in it.
      </Text>
      <TextInput
        label="Name"
        placeholder="orders"
        required
        withAsterisk={false}
        data-autofocus
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={errors.at("/name")}
      />
      <Textarea
        label="Description"
        placeholder="What it is for (optional)"
        autosize
        minRows={2}
        maxLength={512}
        value={description}
        onChange={(event) => setDescription(event.currentTarget.value)}
        error={errors.at("/description")}
      />
      {planLimits && (
        <Switch
          label="Limit it below the plan"
          description="Otherwise the account may use all that the plan allows an account."
          checked={limits !== undefined}
          onChange={(event) => setLimits(event.currentTarget.checked ? limitFormOf(planLimits) : undefined)}
        />
      )}
      {limits && planLimits && <LimitFields value={limits} plan={planLimits} errors={errors} onChange={setLimits} />}
    </ActForm>
  );
}
