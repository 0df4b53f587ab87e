import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { me } from "../../api/session";
import { renameTenant, type Tenant, tenantById } from "../../api/tenants";
import { Panel } from "../../ui/Panel";
import { Status } from "../../ui/Status";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";

export function RenameTenant({ tenant, readOnly }: { tenant: Tenant; readOnly: boolean }) {
  const queryClient = useQueryClient();
  const [name, setName] = useState(tenant.name);
  const [saved, setSaved] = useState(false);
  const { act, pending, problem } = useAct(async () => {
    const renamed = await renameTenant(tenant, name.trim());
    queryClient.setQueryData(tenantById(tenant.id).queryKey, renamed);
    setName(renamed.name);
    setSaved(true);
    await queryClient.invalidateQueries({ queryKey: me.queryKey });
  });
  const form = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, ["/name"]);
  return (
    <Panel title="Name">
      <form
        ref={form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          act();
        }}
      >
        <Stack gap="md" maw={560}>
          <TextInput
            label="Name of the team"
            maxLength={64}
            readOnly={readOnly}
            value={name}
            onChange={(event) => {
              setSaved(false);
              setName(event.currentTarget.value);
            }}
            error={errors.at("/name")}
          />
          {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
          {!readOnly && (
            <Group gap="md">
              <Button type="submit" loading={pending} disabled={name.trim() === tenant.name}>
                Rename team
              </Button>
              <span role="status">{saved && <Status tone="ok">Renamed</Status>}</span>
            </Group>
          )}
        </Stack>
      </form>
    </Panel>
  );
}
