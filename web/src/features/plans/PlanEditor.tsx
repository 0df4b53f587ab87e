import { Button, Drawer, Group, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { createPlan, type NewestPlan, planById, type PlanVersion, updatePlan } from "../../api/plans";
import { DurationInput } from "../../ui/DurationInput";
import { LimitInput } from "../../ui/LimitInput";
import { Notice } from "../../ui/Notice";
import { ConnectionTypeFields } from "../accounts/ConnectionTypeFields";
import { LimitFields } from "../accounts/LimitFields";
import { ChangeProblem } from "../problems/ChangeProblem";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct, useFocusOnError } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { counts, newPlan, planChanges, planFormOf, planPointers, totals } from "./planForm";

type PlanEditorProps = {
  /** Absent: a new plan. */
  plan?: NewestPlan;
  onSaved: (plan: PlanVersion) => void;
  onClose: () => void;
};

type PlanDrawerProps = PlanEditorProps & { opened: boolean };

export function PlanDrawer({ opened, ...editor }: PlanDrawerProps) {
  return (
    <Drawer
      opened={opened}
      onClose={editor.onClose}
      position="right"
      size={720}
      title={editor.plan ? `Edit ${editor.plan.name}` : "Create plan"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <PlanEditor {...editor} />
    </Drawer>
  );
}

/** PlanEditor makes a plan, or a plan's next version: versions themselves never change. */
export function PlanEditor({ plan, onSaved, onClose }: PlanEditorProps) {
  const queryClient = useQueryClient();
  // What the person started from: a version that someone else makes meanwhile is not passed over.
  const [base] = useState(plan);
  const [form, setForm] = useState(() => planFormOf(base ?? newPlan));
  const set = (change: Partial<typeof form>) => setForm((current) => ({ ...current, ...change }));
  const withKey = useIdempotencyKey();
  const changes = planChanges(base ?? newPlan, form);
  const changed = Object.keys(changes).length > 0;

  const { act, pending, problem } = useAct(async () => {
    const body = { ...changes, name: form.name.trim() };
    const saved = base ? await updatePlan(base, changes) : await withKey(body, (key) => createPlan(body, key));
    await queryClient.invalidateQueries({ queryKey: ["plans"] });
    onSaved(saved);
  });
  const formRef = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, planPointers);
  return (
    <form
      ref={formRef}
      noValidate
      aria-label={base ? `Edit ${base.name}` : "Create plan"}
      onSubmit={(event) => {
        event.preventDefault();
        act();
      }}
    >
      <Stack gap="lg">
        {base && (
          <Notice tone="info">
            Saving makes version {base.version + 1}. Tenants stay on theirs until you move them
            {base.is_default && "; who signs up from then on gets the new one"}.
          </Notice>
        )}
        <TextInput
          label="Name"
          value={form.name}
          maxLength={64}
          onChange={(event) => set({ name: event.currentTarget.value })}
          error={errors.at("/name")}
        />
        <section aria-label="How many of each">
          <Title order={3} mb={2}>
            How many of each
          </Title>
          <Text size="sm" c="dimmed" mb="sm">
            0 is none; Unlimited sets no bound.
          </Text>
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg" verticalSpacing="md">
            {counts.map(({ name, label, description }) => (
              <LimitInput
                key={name}
                label={label}
                description={description}
                unit="count"
                value={form.counts[name]}
                onChange={(value) => set({ counts: { ...form.counts, [name]: value } })}
                error={errors.at(`/${name}`)}
              />
            ))}
          </SimpleGrid>
        </section>
        <section aria-label="All accounts of a tenant together">
          <Title order={3} mb="sm">
            All accounts of a tenant together
          </Title>
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg" verticalSpacing="md">
            {totals.map(({ name, pointer, label, unit }) => (
              <LimitInput
                key={name}
                label={label}
                unit={unit}
                value={form.totals[name]}
                onChange={(value) => set({ totals: { ...form.totals, [name]: value } })}
                error={errors.at(pointer)}
              />
            ))}
          </SimpleGrid>
        </section>
        <section aria-label="The most one account may have">
          <Title order={3} mb="sm">
            The most one account may have
          </Title>
          <Stack gap="md">
            <LimitFields
              value={form.limits}
              pointer="/account_limits"
              errors={errors}
              onChange={(limits) => set({ limits })}
            />
          </Stack>
        </section>
        <section aria-label="Connection types">
          <Title order={3} mb="sm">
            Connection types
          </Title>
          <ConnectionTypeFields value={form} onChange={set} errors={errors} />
        </section>
        <section aria-label="Lifetimes of creds">
          <Title order={3} mb="sm">
            Lifetimes of creds
          </Title>
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg">
            <DurationInput
              label="At most"
              description="Creds that were issued before keep theirs."
              placeholder="For ever"
              value={form.maxLifetime}
              onChange={(maxLifetime) => set({ maxLifetime })}
              error={errors.at("/max_credential_lifetime")}
            />
            <DurationInput
              label="Where nobody chooses one"
              placeholder="As long as they may"
              value={form.defaultLifetime}
              onChange={(defaultLifetime) => set({ defaultLifetime })}
              error={errors.at("/default_credential_lifetime")}
            />
          </SimpleGrid>
        </section>
        <ChangeProblem
          problem={problem}
          errors={errors}
          meanwhile="Someone made a version of this plan meanwhile"
          verb="Look at it"
          onGoOn={() => {
            if (base) void queryClient.invalidateQueries({ queryKey: planById(base.id).queryKey });
            onClose();
          }}
        />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={pending} disabled={!changed}>
            {base ? `Save as version ${base.version + 1}` : "Create plan"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
