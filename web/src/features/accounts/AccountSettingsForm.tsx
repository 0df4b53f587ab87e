import { Button, Group, NumberInput, SimpleGrid, Stack, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, accountById, updateAccount, usageOf } from "../../api/accounts";
import { dryRunAccount } from "../../api/dryRun";
import type { Plan } from "../../api/tenants";
import { Panel } from "../../ui/Panel";
import { DryRunPreview } from "../dryrun/DryRunPreview";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct, useFocusOnError } from "../problems/useAct";
import { AnswerFields } from "../roles/AnswerFields";
import { PermissionFields } from "../roles/PermissionFields";
import { missingSubjects } from "../roles/roleForm";
import { connectionTypeNames } from "../roles/roleSentence";
import { AccountChangeProblem } from "./AccountChange";
import { accountChanges, type AccountForm, accountFormOf, accountPointers } from "./accountForm";
import { ConnectionTypeFields } from "./ConnectionTypeFields";
import { DeliveryProgress } from "./DeliveryProgress";
import { LimitFields } from "./LimitFields";
import { usesByPointer, usesByType } from "./usageWords";

type AccountSettingsFormProps = { account: Account; plan: Plan; readOnly: boolean };

export function AccountSettingsForm({ account, plan, readOnly }: AccountSettingsFormProps) {
  const queryClient = useQueryClient();
  // What the person started from: a change by someone else meanwhile is refused by its etag, not overwritten.
  const [base, setBase] = useState(account);
  const [form, setForm] = useState<AccountForm>(() => accountFormOf(account));
  const [tried, setTried] = useState(false);
  const [saved, setSaved] = useState(false);
  const set = (change: Partial<AccountForm>) => setForm((current) => ({ ...current, ...change }));

  const usage = useQuery({ ...usageOf(account.id), refetchInterval: 5_000 });
  const changes = accountChanges(base, form);
  const changed = Object.keys(changes).length > 0;
  const { defaultPermissions: permissions } = form;
  const incomplete = missingSubjects(permissions.publish) || missingSubjects(permissions.subscribe);

  function start(from: Account) {
    setBase(from);
    setForm(accountFormOf(from));
    setTried(false);
  }

  const { act, pending, problem, forget } = useAct(async () => {
    const updated = await updateAccount(base, changes);
    queryClient.setQueryData(accountById(account.id).queryKey, updated);
    start(updated);
    setSaved(true);
    await queryClient.invalidateQueries({ queryKey: ["tenants", account.tenant_id, "accounts"] });
  });
  const formRef = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, [
    ...accountPointers,
    ...Object.keys(connectionTypeNames).map((type) => `/connections_per_type/${type}`),
  ]);

  async function takeTheirs() {
    start(await queryClient.fetchQuery({ ...accountById(account.id), staleTime: 0 }));
    forget();
  }

  return (
    <form
      ref={formRef}
      noValidate
      aria-label="Settings of the account"
      onSubmit={(event) => {
        event.preventDefault();
        setSaved(false);
        setTried(true);
        if (!incomplete) act();
      }}
    >
      <fieldset disabled={readOnly} style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}>
        <Stack gap="lg">
          <Panel title="Name">
            <Stack gap="md" maw={560}>
              <TextInput
                label="Name"
                value={form.name}
                maxLength={64}
                onChange={(event) => set({ name: event.currentTarget.value })}
                error={errors.at("/name")}
              />
              <Textarea
                label="Description"
                autosize
                minRows={2}
                value={form.description}
                maxLength={512}
                onChange={(event) => set({ description: event.currentTarget.value })}
                error={errors.at("/description")}
              />
              <TagsInput
                label="Tags"
                description="In lower case, such as env:prod. A role's subjects may have {{account-tag(env)}}."
                splitChars={[",", " "]}
                acceptValueOnBlur
                value={form.tags}
                onChange={(tags) => set({ tags: tags.map((tag) => tag.toLowerCase()) })}
                error={errors.at("/tags")}
              />
            </Stack>
          </Panel>
          <Panel
            title="Limits"
            description={`New limits hold for clients that are connected, too. 0 is none; the plan ${plan.name} sets the most.`}
          >
            <Stack gap="md">
              <LimitFields
                key={base.etag}
                value={form.limits}
                plan={plan.account_limits}
                errors={errors}
                uses={usage.data && usesByPointer(usage.data)}
                disabled={readOnly}
                onChange={(limits) => set({ limits })}
              />
            </Stack>
          </Panel>
          <Panel
            title="Connection types"
            description="Over what clients may connect, and how many at once over each. Roles allow no more than this."
          >
            <ConnectionTypeFields
              value={form}
              onChange={set}
              uses={usage.data && usesByType(usage.data)}
              errors={errors}
              disabled={readOnly}
            />
          </Panel>
          <Panel
            title="Default permissions"
            description="Of users whose role says nothing about subjects. Changing them reaches such users at once."
          >
            <Stack gap="md">
              <PermissionFields
                key={base.etag}
                value={permissions}
                onChange={(change) => set({ defaultPermissions: { ...permissions, ...change } })}
                errors={errors}
                tried={tried}
                pointer="/default_permissions"
              />
              <AnswerFields
                value={permissions.answers}
                onChange={(answers) => set({ defaultPermissions: { ...permissions, answers } })}
                maxError={errors.at("/default_permissions/responses/max_messages")}
                expiryError={errors.at("/default_permissions/responses/expires_in")}
              />
            </Stack>
          </Panel>
          <Panel title="Message tracing" description="Where each message went, broker by broker, told on a subject.">
            <Stack gap="md">
              <Switch
                label="Trace messages that carry a traceparent header"
                checked={form.trace.on}
                onChange={(event) => set({ trace: { ...form.trace, on: event.currentTarget.checked } })}
              />
              {form.trace.on && (
                <SimpleGrid cols={{ base: 1, xs: 2 }} maw={560}>
                  <TextInput
                    label="Told on"
                    placeholder="traces.orders"
                    value={form.trace.destination}
                    onChange={(event) => set({ trace: { ...form.trace, destination: event.currentTarget.value } })}
                    error={errors.at("/trace/destination")}
                  />
                  <NumberInput
                    label="Share of them"
                    suffix=" %"
                    min={1}
                    max={100}
                    clampBehavior="none"
                    allowDecimal={false}
                    hideControls
                    value={form.trace.sampling}
                    onChange={(next) =>
                      set({ trace: { ...form.trace, sampling: typeof next === "number" ? next : 0 } })
                    }
                    error={errors.at("/trace/sampling")}
                  />
                </SimpleGrid>
              )}
            </Stack>
          </Panel>
          <AccountChangeProblem problem={problem} errors={errors} onTakeTheirs={() => void takeTheirs()} />
          {saved && !changed && <DeliveryProgress key={base.etag} account={account.id} />}
          {!readOnly && changed && (
            <DryRunPreview body={changes} run={() => dryRunAccount(base, changes)} disabled={incomplete} />
          )}
          {!readOnly && (
            <Group justify="flex-end" gap="sm">
              <Button variant="default" disabled={!changed || pending} onClick={() => start(base)}>
                Discard changes
              </Button>
              <Button type="submit" loading={pending} disabled={!changed}>
                Save changes
              </Button>
            </Group>
          )}
        </Stack>
      </fieldset>
    </form>
  );
}
