import {
  Button,
  Checkbox,
  Group,
  NumberInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  TagsInput,
} from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { dryRunUser } from "../../api/dryRun";
import { type ConnectionType, rolesOf } from "../../api/roles";
import { updateUser, type User, userById } from "../../api/users";
import { Notice } from "../../ui/Notice";
import { DeliveryProgress } from "../accounts/DeliveryProgress";
import { DryRunPreview } from "../dryrun/DryRunPreview";
import { ChangeProblem } from "../problems/ChangeProblem";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct, useFocusOnError } from "../problems/useAct";
import { AnswerFields } from "../roles/AnswerFields";
import { PermissionFields } from "../roles/PermissionFields";
import { missingSubjects } from "../roles/roleForm";
import { connectionTypeNames, roleSentence } from "../roles/roleSentence";
import { newPermissions, userChanges, userFormOf } from "./userForm";

const pointers = [
  "/role_id",
  "/tags",
  "/connections",
  "/connection_types",
  "/permissions/publish/allow",
  "/permissions/publish/deny",
  "/permissions/subscribe/allow",
  "/permissions/subscribe/deny",
  "/permissions/responses/max_messages",
  "/permissions/responses/expires_in",
];

/** UserEditor moves a user between roles, or gives it permissions, tags and a cap of its own, for creds that are out, too. */
export function UserEditor({ user, onDone }: { user: User; onDone: () => void }) {
  const queryClient = useQueryClient();
  const [base, setBase] = useState(user);
  const [form, setForm] = useState(() => userFormOf(user));
  const [tried, setTried] = useState(false);
  const [saved, setSaved] = useState(false);
  const roles = useInfiniteQuery(rolesOf(user.account_id));
  const allRoles = roles.data?.pages.flatMap((page) => page.items) ?? [];
  // A private role is in no list: who leaves it begins with the account's default.
  const role = allRoles.find(({ id }) => id === form.roleId) ?? allRoles.find(({ name }) => name === "default");
  const changes = userChanges(base, { ...form, roleId: role?.id ?? form.roleId });
  const changed = Object.keys(changes).length > 0;
  const incomplete = form.own && (missingSubjects(form.own.publish) || missingSubjects(form.own.subscribe));
  const set = (change: Partial<typeof form>) => {
    setSaved(false);
    setForm((current) => ({ ...current, ...change }));
  };

  const { act, pending, problem } = useAct(async () => {
    const updated = await updateUser(base, changes);
    queryClient.setQueryData(userById(user.id).queryKey, updated);
    setBase(updated);
    setForm(userFormOf(updated));
    setSaved(true);
    await Promise.all([
      queryClient.invalidateQueries({ queryKey: ["accounts", user.account_id, "users"] }),
      queryClient.invalidateQueries({ queryKey: ["users", user.id, "credentials"] }),
    ]);
  });
  const formRef = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, pointers);
  const allowed = (type: ConnectionType) =>
    form.own !== undefined || !role || role.connection_types.length === 0 || role.connection_types.includes(type);
  return (
    <form
      ref={formRef}
      noValidate
      aria-label={`Edit ${user.name}`}
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (!incomplete) act();
      }}
    >
      <Stack gap="md">
        <SegmentedControl
          aria-label="What it may do"
          data={[
            { value: "role", label: "As a role says" },
            { value: "own", label: "Permissions of its own" },
          ]}
          value={form.own ? "own" : "role"}
          onChange={(next) => set({ own: next === "own" ? newPermissions : undefined })}
        />
        {form.own ? (
          <>
            <PermissionFields
              value={form.own}
              onChange={(change) => form.own && set({ own: { ...form.own, ...change } })}
              errors={errors}
              tried={tried}
            />
            <AnswerFields
              value={form.own.answers}
              onChange={(answers) => form.own && set({ own: { ...form.own, answers } })}
              maxError={errors.at("/permissions/responses/max_messages")}
              expiryError={errors.at("/permissions/responses/expires_in")}
            />
          </>
        ) : (
          <Select
            label="Role"
            data={allRoles.map(({ id, name }) => ({ value: id, label: name }))}
            value={role?.id ?? null}
            onChange={(next) => next && set({ roleId: next })}
            description={role && roleSentence(role)}
            inputWrapperOrder={["label", "input", "description", "error"]}
            error={errors.at("/role_id")}
          />
        )}
        <TagsInput
          label="Tags"
          description="In lower case, such as team:blue. A role's subjects may have {{tag(team)}}."
          splitChars={[",", " "]}
          acceptValueOnBlur
          value={form.tags}
          onChange={(tags) => set({ tags: tags.map((tag) => tag.toLowerCase()) })}
          error={errors.at("/tags")}
        />
        <NumberInput
          label="Connections at once"
          description="All of its creds together. Empty: as its role says."
          min={0}
          allowDecimal={false}
          allowNegative={false}
          thousandSeparator=","
          hideControls
          maw={280}
          placeholder={form.connections === -1 ? "Unlimited" : "As its role says"}
          disabled={form.connections === -1}
          value={form.connections === -1 ? "" : form.connections}
          onChange={(next) => set({ connections: typeof next === "number" ? next : "" })}
          error={errors.at("/connections")}
        />
        <Switch
          label="Unlimited connections"
          description="Whatever its role says; the account's limit holds."
          checked={form.connections === -1}
          onChange={(event) => set({ connections: event.currentTarget.checked ? -1 : "" })}
        />
        <Checkbox.Group
          label="Connection types"
          description="Over what it may connect. None checked: all that its role allows."
          value={form.connectionTypes}
          onChange={(types) => set({ connectionTypes: types as ConnectionType[] })}
          error={errors.at("/connection_types")}
        >
          <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs" mt="xs">
            {(Object.keys(connectionTypeNames) as ConnectionType[]).map((type) => (
              <Checkbox
                key={type}
                value={type}
                label={connectionTypeNames[type].charAt(0).toUpperCase() + connectionTypeNames[type].slice(1)}
                description={allowed(type) ? undefined : "Not allowed by its role"}
                disabled={!allowed(type) && !form.connectionTypes.includes(type)}
              />
            ))}
          </SimpleGrid>
        </Checkbox.Group>
        <Notice tone="info">
          Holds for creds that are already out. Clients whose permissions change are disconnected once, and come back
          with the new ones; those of a connection type that is taken away are disconnected for good.
        </Notice>
        <ChangeProblem problem={problem} errors={errors} meanwhile="Someone changed this user meanwhile">
          Close and look again.
        </ChangeProblem>
        {saved && !changed && <DeliveryProgress key={base.etag} account={user.account_id} />}
        {changed && (
          <DryRunPreview body={changes} run={() => dryRunUser(base, changes)} disabled={incomplete || undefined} />
        )}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onDone}>
            {saved && !changed ? "Close" : "Cancel"}
          </Button>
          <Button type="submit" loading={pending} disabled={!changed}>
            Save user
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
