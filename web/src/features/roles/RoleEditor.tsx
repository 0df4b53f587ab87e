import {
  Button,
  Checkbox,
  Divider,
  Group,
  NumberInput,
  SimpleGrid,
  Stack,
  Switch,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Account } from "../../api/accounts";
import { dryRunRole } from "../../api/dryRun";
import { createRole, deleteRole, type Role, updateRole } from "../../api/roles";
import { DurationInput } from "../../ui/DurationInput";
import { Notice } from "../../ui/Notice";
import { DeliveryProgress } from "../accounts/DeliveryProgress";
import { DryRunPreview } from "../dryrun/DryRunPreview";
import { ChangeProblem } from "../problems/ChangeProblem";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { AnswerFields } from "./AnswerFields";
import { PermissionFields } from "./PermissionFields";
import { bodyOf, formOf, missingSubjects, newRole, type RoleForm } from "./roleForm";
import { connectionTypeNames, roleSentence } from "./roleSentence";
import { TimeFields } from "./TimeFields";
import { TemplatePreview } from "./TemplatePreview";
import type { ConnectionType } from "../../api/roles";

type RoleEditorProps = { account: Account; role?: Role; readOnly: boolean; onClose: () => void };

const pointers = [
  "/name",
  "/description",
  "/permissions/publish/allow",
  "/permissions/publish/deny",
  "/permissions/subscribe/allow",
  "/permissions/subscribe/deny",
  "/permissions/responses/max_messages",
  "/permissions/responses/expires_in",
  "/connection_types",
  "/source_networks",
  "/bearer",
  "/limits/subscriptions",
  "/limits/connections_per_user",
  "/default_credential_lifetime",
  "/max_credential_lifetime",
  "/times",
  "/time_zone",
  "/limits/payload_bytes",
];

/** RoleEditor creates a role, or edits one and then shows the brokers taking it up. */
export function RoleEditor({ account, role, readOnly, onClose }: RoleEditorProps) {
  const queryClient = useQueryClient();
  const withKey = useIdempotencyKey();
  const [base, setBase] = useState(role);
  const [form, setForm] = useState<RoleForm>(() => (role ? formOf(role) : newRole));
  const [tried, setTried] = useState(false);
  const [saved, setSaved] = useState(false);
  const set = (change: Partial<RoleForm>) => {
    setSaved(false);
    setForm((current) => ({ ...current, ...change }));
  };

  const body = bodyOf(form);
  const incomplete = missingSubjects(form.publish) || missingSubjects(form.subscribe);
  const { act, pending, problem, forget } = useAct(async () => {
    if (!base) {
      await withKey(body, (key) => createRole(account.id, body, key));
      onClose();
    } else {
      const updated = await updateRole(base, body);
      setBase(updated);
      setForm(formOf(updated));
      setSaved(true);
    }
    await queryClient.invalidateQueries({ queryKey: ["accounts", account.id, "roles"] });
  });
  const formRef = useFocusOnError(problem);
  const rangePointers = form.times.ranges.flatMap((_, index) => [
    `/times/${index}`,
    `/times/${index}/start`,
    `/times/${index}/end`,
  ]);
  const errors = placeFieldErrors(problem, [...pointers, ...rangePointers], (pointer) => itemAt(body, pointer));

  const inForce = account.effective_connection_types;
  const allowed = (type: string) => inForce.length === 0 || inForce.includes(type);

  const [stale, setStale] = useState<Role>();
  if (role && base && role.etag !== base.etag && role.id === base.id && stale?.etag !== role.etag && !saved) {
    setStale(role);
  }

  return (
    <form
      ref={formRef}
      noValidate
      aria-label={base ? `Role ${base.name}` : "New role"}
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        setSaved(false);
        if (!incomplete) act();
      }}
    >
      <Stack gap="lg">
        <fieldset disabled={readOnly} style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}>
          <Stack gap="lg">
            <Stack gap="md">
              <TextInput
                label="Name"
                data-autofocus={base ? undefined : true}
                maxLength={64}
                value={form.name}
                onChange={(event) => set({ name: event.currentTarget.value })}
                error={errors.at("/name")}
              />
              <Textarea
                label="Description"
                placeholder="Who has it and why (optional)"
                autosize
                minRows={1}
                maxLength={512}
                value={form.description}
                onChange={(event) => set({ description: event.currentTarget.value })}
                error={errors.at("/description")}
              />
            </Stack>
            <PermissionFields value={form} onChange={set} errors={errors} tried={tried} />
            <TemplatePreview account={account} form={form} />
            <AnswerFields
              value={form.answers}
              onChange={(answers) => set({ answers })}
              maxError={errors.at("/permissions/responses/max_messages")}
              expiryError={errors.at("/permissions/responses/expires_in")}
            />
            <Divider color="var(--sb-border)" />
            <Checkbox.Group
              label="Connection types"
              description="Over what its clients may connect. None checked: all that the account allows."
              value={form.connectionTypes}
              onChange={(types) => set({ connectionTypes: types as ConnectionType[] })}
              error={errors.at("/connection_types")}
            >
              <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs" mt="xs">
                {Object.entries(connectionTypeNames).map(([type, name]) => (
                  <Checkbox
                    key={type}
                    value={type}
                    label={name.charAt(0).toUpperCase() + name.slice(1)}
                    description={allowed(type) ? undefined : "Not allowed in this account"}
                    disabled={!allowed(type) && !form.connectionTypes.includes(type as ConnectionType)}
                  />
                ))}
              </SimpleGrid>
            </Checkbox.Group>
            <TagsInput
              label="Networks"
              description="Where its clients may come from, in CIDR such as 192.0.2.0/24. Empty: anywhere."
              placeholder={form.sourceNetworks.length === 0 ? "Anywhere" : undefined}
              splitChars={[",", " "]}
              acceptValueOnBlur
              value={form.sourceNetworks}
              onChange={(sourceNetworks) => set({ sourceNetworks })}
              error={errors.at("/source_networks")}
            />
            <TimeFields value={form.times} onChange={(times) => set({ times })} errors={errors} />
            <Switch
              label="Let its users in by JWT alone"
              description="Without proof that they hold the seed. MQTT clients need it: they send the JWT as password."
              checked={form.bearer}
              onChange={(event) => set({ bearer: event.currentTarget.checked })}
              error={errors.at("/bearer")}
            />
            <SimpleGrid cols={{ base: 1, xs: 2 }}>
              <CountField
                label="Connections of one user"
                value={form.connectionsPerUser}
                onChange={(connectionsPerUser) => set({ connectionsPerUser })}
                error={errors.at("/limits/connections_per_user")}
              />
              <CountField
                label="Subscriptions of one connection"
                value={form.subscriptions}
                onChange={(subscriptions) => set({ subscriptions })}
                error={errors.at("/limits/subscriptions")}
              />
              <CountField
                label="Largest message in bytes"
                value={form.payloadBytes}
                onChange={(payloadBytes) => set({ payloadBytes })}
                error={errors.at("/limits/payload_bytes")}
              />
            </SimpleGrid>
            <SimpleGrid cols={{ base: 1, xs: 2 }}>
              <DurationInput
                label="Creds live for"
                description="Unless whoever issues them says otherwise."
                placeholder="As the plan"
                value={form.defaultLifetime}
                onChange={(defaultLifetime) => set({ defaultLifetime })}
                error={errors.at("/default_credential_lifetime")}
              />
              <DurationInput
                label="Creds live at most for"
                description="Nobody can issue creds that live longer."
                placeholder="As the plan"
                value={form.maxLifetime}
                onChange={(maxLifetime) => set({ maxLifetime })}
                error={errors.at("/max_credential_lifetime")}
              />
            </SimpleGrid>
          </Stack>
        </fieldset>
        <Notice tone="info" title="In plain words">
          {roleSentence({
            permissions: body.permissions,
            connection_types: body.connection_types,
            source_networks: body.source_networks,
            times: body.times,
            time_zone: body.time_zone,
          })}
        </Notice>
        {stale && problem?.status !== 412 && (
          <Notice tone="attention" role="status">
            Someone changed this role while it was open here.
          </Notice>
        )}
        <ChangeProblem
          problem={problem}
          errors={errors}
          meanwhile="Someone changed this role meanwhile"
          verb="Close and look again"
          onGoOn={() => {
            void queryClient.invalidateQueries({ queryKey: ["accounts", account.id, "roles"] }).then(() => {
              forget();
              onClose();
            });
          }}
        />
        {saved && base && <DeliveryProgress key={base.etag} account={account.id} />}
        {!readOnly && base && <DryRunPreview body={body} run={() => dryRunRole(base, body)} disabled={incomplete} />}
        {!readOnly && (
          <Group justify="space-between" gap="sm">
            {base && base.name !== "default" ? <DeleteRole role={base} onDeleted={onClose} /> : <span />}
            <Group gap="sm">
              <Button variant="default" onClick={onClose}>
                {saved ? "Close" : "Cancel"}
              </Button>
              <Button type="submit" loading={pending}>
                {base ? "Save role" : "Create role"}
              </Button>
            </Group>
          </Group>
        )}
      </Stack>
    </form>
  );
}

type CountFieldProps = {
  label: string;
  value: number | "";
  onChange: (value: number | "") => void;
  error?: string;
};

/** CountField is a limit below the account's, or none. */
function CountField({ onChange, ...rest }: CountFieldProps) {
  return (
    <NumberInput
      {...rest}
      description="Empty: as the account."
      placeholder="As the account"
      min={1}
      allowDecimal={false}
      thousandSeparator=","
      hideControls
      onChange={(value) => onChange(typeof value === "number" ? value : "")}
    />
  );
}

/** itemAt finds what a pointer of the body names, so that a message can quote the wrong item of a list. */
function itemAt(body: unknown, pointer: string): string | undefined {
  let value: unknown = body;
  for (const part of pointer.split("/").slice(1)) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return typeof value === "string" ? value : undefined;
}

function DeleteRole({ role, onDeleted }: { role: Role; onDeleted: () => void }) {
  const queryClient = useQueryClient();
  const [sure, setSure] = useState(false);
  const { act, pending, problem } = useAct(async () => {
    await deleteRole(role.id);
    onDeleted();
    await queryClient.invalidateQueries({ queryKey: ["accounts", role.account_id, "roles"] });
  });
  return (
    <Stack gap="xs" align="flex-start">
      {sure ? (
        <Group gap="xs">
          <Text size="sm">Only a role without users can go.</Text>
          <Button color="red.8" loading={pending} onClick={act}>
            Delete {role.name}
          </Button>
        </Group>
      ) : (
        <Button variant="default" c="var(--sb-stopped)" onClick={() => setSure(true)}>
          Delete role
        </Button>
      )}
      {problem && <ProblemNotice problem={problem} />}
    </Stack>
  );
}
