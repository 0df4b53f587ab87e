import { Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { dryRunTenantPlan } from "../../api/dryRun";
import { type PlanVersion, plans } from "../../api/plans";
import { setTenantPlan, type Tenant } from "../../api/tenants";
import { LoadMore } from "../../ui/LoadMore";
import { TableSkeleton } from "../../ui/Skeletons";
import { DryRunPreview } from "../dryrun/DryRunPreview";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { Loaded } from "../problems/Loaded";
import { useAct } from "../problems/useAct";
import { OperationProgress } from "./OperationProgress";

type TenantPlanDialogProps = {
  /** The dialog is closed when absent. */
  tenant?: Tenant;
  onClose: () => void;
};

/** TenantPlanDialog puts one tenant on the newest version of a plan, and shows how its accounts follow. */
export function TenantPlanDialog({ tenant, onClose }: TenantPlanDialogProps) {
  const list = useInfiniteQuery({ ...plans, enabled: tenant !== undefined });
  return (
    <Modal
      opened={tenant !== undefined}
      onClose={onClose}
      size="lg"
      title={tenant && `Plan of ${tenant.name}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {tenant && (
        <Loaded query={list} what="the plans" skeleton={<TableSkeleton rows={2} />}>
          {({ pages }) => (
            <>
              <PlanForm
                key={tenant.id}
                tenant={tenant}
                offered={pages.flatMap((page) => page.items)}
                onClose={onClose}
              />
              <LoadMore
                hasMore={list.hasNextPage}
                loading={list.isFetchingNextPage}
                onMore={() => void list.fetchNextPage()}
              />
            </>
          )}
        </Loaded>
      )}
    </Modal>
  );
}

type PlanFormProps = { tenant: Tenant; offered: PlanVersion[]; onClose: () => void };

function PlanForm({ tenant, offered, onClose }: PlanFormProps) {
  const queryClient = useQueryClient();
  const [plan, setPlan] = useState(tenant.plan_id);
  const [operation, setOperation] = useState<string>();
  const chosen = offered.find(({ id }) => id === plan);
  const same = plan === tenant.plan_id && chosen?.version === tenant.plan_version;
  const { act, pending, problem } = useAct(async () => {
    const begun = await setTenantPlan(tenant, plan);
    setOperation(begun.operation.id);
    await queryClient.invalidateQueries({ queryKey: ["tenants"] });
  });
  const errors = placeFieldErrors(problem, ["/plan_id"]);
  if (operation) {
    return (
      <Stack gap="md">
        <Text size="sm">
          {tenant.name} is on {chosen?.name}, version {chosen?.version}. Its accounts follow.
        </Text>
        <OperationProgress operation={operation} doing="Signing its accounts" done="In force" changes={["tenants"]} />
        <Group justify="flex-end">
          <Button onClick={onClose}>Done</Button>
        </Group>
      </Stack>
    );
  }
  return (
    <ActForm
      verb="Change plan"
      disabled={same}
      pending={pending}
      problem={problem}
      errors={errors}
      onSubmit={act}
      onCancel={onClose}
    >
      <Text size="sm">
        Now on {tenant.plan_name}, version {tenant.plan_version}. What a smaller plan takes away holds for clients that
        are connected, too, and comes back with a larger one.
      </Text>
      <Select
        label="Plan"
        description="Its newest version."
        data-autofocus
        allowDeselect={false}
        data={offered.map(({ id, name, version }) => ({ value: id, label: `${name}, version ${version}` }))}
        value={plan}
        onChange={(next) => setPlan(next ?? tenant.plan_id)}
        error={errors.at("/plan_id")}
      />
      <DryRunPreview body={{ plan }} run={() => dryRunTenantPlan(tenant, plan)} disabled={same} />
    </ActForm>
  );
}
