import { Box, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { moveTenants, type PlanVersion, planVersionsOf } from "../../api/plans";
import { DataTable } from "../../ui/DataTable";
import { formatCount, formatLimit, plural } from "../../ui/format";
import { LoadMore } from "../../ui/LoadMore";
import { Panel } from "../../ui/Panel";
import { TableSkeleton } from "../../ui/Skeletons";
import { Time } from "../../ui/Time";
import { Loaded } from "../problems/Loaded";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { OperationProgress } from "../staff/OperationProgress";

/** PlanVersions lists a plan's versions with who is on them, and moves the tenants of older ones to the newest. */
export function PlanVersions({ newest }: { newest: PlanVersion }) {
  const versions = useInfiniteQuery(planVersionsOf(newest.id));
  const [moving, setMoving] = useState<PlanVersion>();
  const [operation, setOperation] = useState<string>();
  return (
    <Panel flush title="Versions" description="A version never changes. Tenants stay on theirs until they are moved.">
      {operation && (
        <Box px={20} pb="sm">
          <OperationProgress operation={operation} doing="Moving tenants" done="Moved" changes={["plans"]} />
        </Box>
      )}
      <Loaded query={versions} what="the versions" skeleton={<TableSkeleton rows={2} />}>
        {({ pages }) => (
          <DataTable
            label="Versions"
            rows={pages.flatMap((page) => page.items)}
            rowKey={(plan) => String(plan.version)}
            columns={[
              {
                header: "Version",
                cell: (plan) => `${plan.version}${plan.version === newest.version ? " (newest)" : ""}`,
              },
              { header: "Tenants on it", align: "right", cell: (plan) => formatCount(plan.tenants) },
              { header: "Accounts", align: "right", cell: (plan) => formatLimit(plan.max_accounts, "count") },
              {
                header: "Connections in all",
                align: "right",
                cell: (plan) => formatLimit(plan.tenant_limits.connections, "count"),
              },
              { header: "Made", cell: (plan) => <Time value={plan.created_at} /> },
              {
                header: "Acts",
                quiet: true,
                align: "right",
                cell: (plan) =>
                  plan.version !== newest.version &&
                  plan.tenants > 0 && (
                    <Button
                      size="xs"
                      variant="default"
                      aria-label={`Move tenants of version ${plan.version}`}
                      onClick={() => setMoving(plan)}
                    >
                      Move tenants
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </Loaded>
      <LoadMore
        hasMore={versions.hasNextPage}
        loading={versions.isFetchingNextPage}
        onMore={() => void versions.fetchNextPage()}
      />
      <Modal
        opened={moving !== undefined}
        onClose={() => setMoving(undefined)}
        title={moving && `Move ${plural(moving.tenants, "tenant")} to version ${newest.version}?`}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {moving && (
          <MoveForm
            from={moving}
            onBegun={(begun) => {
              setOperation(begun);
              setMoving(undefined);
            }}
            onCancel={() => setMoving(undefined)}
          />
        )}
      </Modal>
    </Panel>
  );
}

type MoveFormProps = { from: PlanVersion; onBegun: (operation: string) => void; onCancel: () => void };

function MoveForm({ from, onBegun, onCancel }: MoveFormProps) {
  const withKey = useIdempotencyKey();
  const { act, pending, problem } = useAct(async () => {
    const { id } = await withKey({ version: from.version }, (key) => moveTenants(from, key));
    onBegun(id);
  });
  return (
    <Stack gap="md">
      <Text size="sm">
        All tenants of version {from.version}, one by one. Where the newest version gives less, it holds for clients
        that are connected, too: those beyond a limit are disconnected.
      </Text>
      {problem && <ProblemNotice problem={problem} />}
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
        <Button loading={pending} onClick={() => act()}>
          Move tenants
        </Button>
      </Group>
    </Stack>
  );
}
