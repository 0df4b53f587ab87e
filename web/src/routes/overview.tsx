import { SimpleGrid, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Boxes } from "lucide-react";
import { accountsOf } from "../api/accounts";
import { planOf } from "../api/tenants";
import { AccountTable } from "../features/accounts/AccountTable";
import { NextSteps } from "../features/accounts/NextSteps";
import { Loaded } from "../features/problems/Loaded";
import { useTenant } from "../features/shell/useTenant";
import { PlanUse } from "../features/tenants/PlanUse";
import { EmptyState } from "../ui/EmptyState";
import { ButtonLink, TextLink } from "../ui/links";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { PanelSkeleton, TableSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/t/$tenant/");
const shown = 5;

export function OverviewPage() {
  const { tenant } = route.useParams();
  const membership = useTenant();
  const accounts = useInfiniteQuery(accountsOf(tenant, { sort: "-created_at" }));
  const plan = useQuery(planOf(tenant));
  const rows = accounts.data?.pages.flatMap((page) => page.items) ?? [];
  const first = rows[0];
  return (
    <Page
      title="Overview"
      description={membership ? `What ${membership.tenant_name} runs, and what comes next.` : undefined}
      actions={
        first && (
          <ButtonLink to="/accounts/$account/connect" params={{ account: first.id }}>
            Connect a client
          </ButtonLink>
        )
      }
    >
      <Panel
        flush
        title="Accounts"
        description="The newest, and whether brokers have their last change in force."
        actions={
          <TextLink to="/t/$tenant/accounts" params={{ tenant }} size="sm">
            All accounts
          </TextLink>
        }
      >
        <Loaded query={accounts} what="the accounts" skeleton={<TableSkeleton rows={3} />}>
          {() =>
            rows.length > 0 ? (
              <AccountTable accounts={rows.slice(0, shown)} />
            ) : (
              <EmptyState
                icon={<Boxes size={32} />}
                title="No accounts yet"
                action={
                  <ButtonLink to="/t/$tenant/accounts" params={{ tenant }} search={{ create: true }}>
                    Create account
                  </ButtonLink>
                }
              >
                An account keeps one application's or one team's messages apart from all others.
              </EmptyState>
            )
          }
        </Loaded>
      </Panel>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Panel title="Next steps">
          <NextSteps tenant={tenant} account={first} />
        </Panel>
        <Loaded query={plan} what="the plan" skeleton={<PanelSkeleton />}>
          {(data) => (
            <Panel
              title={`Plan: ${data.name}`}
              actions={
                <TextLink to="/t/$tenant/plan" params={{ tenant }} size="sm">
                  All limits
                </TextLink>
              }
            >
              <Stack gap="sm">
                <PlanUse plan={data} />
                <Text size="sm" c="dimmed">
                  Limits hold for each account on its own; an account's settings can set them lower.
                </Text>
              </Stack>
            </Panel>
          )}
        </Loaded>
      </SimpleGrid>
    </Page>
  );
}
