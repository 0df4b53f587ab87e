import { Button, Group, Stack, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, accountById, updateAccount } from "../../api/accounts";
import type { Plan } from "../../api/tenants";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";
import { DeliveryProgress } from "./DeliveryProgress";
import { LimitFields } from "./LimitFields";
import { allLimits, changedLimits, valuesOf } from "./limits";

type AccountSettingsFormProps = { account: Account; plan: Plan; readOnly: boolean };

export function AccountSettingsForm({ account, plan, readOnly }: AccountSettingsFormProps) {
  const queryClient = useQueryClient();
  // What the person started from: a change by someone else meanwhile is refused by its etag, not overwritten.
  const [base, setBase] = useState(account);
  const [name, setName] = useState(account.name);
  const [description, setDescription] = useState(account.description);
  const [limits, setLimits] = useState(() => valuesOf(account.limits));
  const [saved, setSaved] = useState(false);

  const changes = {
    ...(name.trim() !== base.name && { name: name.trim() }),
    ...(description.trim() !== base.description && { description: description.trim() }),
    ...spread(changedLimits(valuesOf(base.limits), limits)),
  };
  const changed = Object.keys(changes).length > 0;

  function start(from: Account) {
    setBase(from);
    setName(from.name);
    setDescription(from.description);
    setLimits(valuesOf(from.limits));
  }

  const { act, pending, problem, forget } = useAct(async () => {
    const updated = await updateAccount(base, changes);
    queryClient.setQueryData(accountById(account.id).queryKey, updated);
    start(updated);
    setSaved(true);
    await queryClient.invalidateQueries({ queryKey: ["tenants", account.tenant_id, "accounts"] });
  });
  const form = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, [
    "/name",
    "/description",
    ...allLimits.map((limit) => `/limits${limit.pointer}`),
  ]);

  async function takeTheirs() {
    start(await queryClient.fetchQuery({ ...accountById(account.id), staleTime: 0 }));
    forget();
  }

  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setSaved(false);
        act();
      }}
    >
      <Stack gap="lg">
        <Panel title="Name">
          <Stack gap="md" maw={560}>
            <TextInput
              label="Name"
              value={name}
              readOnly={readOnly}
              maxLength={64}
              onChange={(event) => setName(event.currentTarget.value)}
              error={errors.at("/name")}
            />
            <Textarea
              label="Description"
              autosize
              minRows={2}
              value={description}
              readOnly={readOnly}
              maxLength={512}
              onChange={(event) => setDescription(event.currentTarget.value)}
              error={errors.at("/description")}
            />
          </Stack>
        </Panel>
        <Panel title="Limits" description="New limits hold for clients that are connected, too. 0 is none.">
          <Stack gap="md">
            <LimitFields
              key={base.etag}
              values={limits}
              plan={plan.account_limits}
              errors={errors}
              disabled={readOnly}
              onChange={(pointer, value) => setLimits({ ...limits, [pointer]: value })}
            />
          </Stack>
        </Panel>
        {problem?.status === 412 ? (
          <Notice
            tone="attention"
            role="alert"
            title="Someone changed this account meanwhile"
            actions={
              <Button size="xs" variant="default" onClick={() => void takeTheirs()}>
                Load their version
              </Button>
            }
          >
            Nothing of yours was saved. Load the account as it is now, then make your change again.
          </Notice>
        ) : (
          problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />
        )}
        {saved && !changed && <DeliveryProgress key={base.etag} account={account.id} />}
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
    </form>
  );
}

function spread<Value>(limits: Value | undefined): { limits?: Value } {
  return limits === undefined ? {} : { limits };
}
