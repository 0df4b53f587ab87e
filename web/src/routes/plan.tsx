import { SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { planOf } from "../api/tenants";
import { jetStreamFacts, limitFacts } from "../features/accounts/limitFacts";
import { Loaded } from "../features/problems/Loaded";
import { PlanUse } from "../features/tenants/PlanUse";
import { Facts } from "../ui/Facts";
import { formatLimit } from "../ui/format";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { PanelSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/t/$tenant/plan");

export function PlanPage() {
  const { tenant } = route.useParams();
  const plan = useQuery(planOf(tenant));
  return (
    <Page title="Plan and use" description="What this team bought, and how much of it is taken.">
      <Loaded query={plan} what="the plan" skeleton={<PanelSkeleton lines={8} />}>
        {(data) => (
          <Stack gap="lg">
            <Panel title={`Plan: ${data.name}`}>
              <Stack gap="md">
                <PlanUse plan={data} />
                <Facts
                  numeric
                  items={[
                    ["Roles in an account", formatLimit(data.max_roles, "count")],
                    ["Users in an account", formatLimit(data.max_users, "count")],
                  ]}
                />
              </Stack>
            </Panel>
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
              <Panel title="Limits of an account" description="The most that each account's settings may ask for.">
                <Facts numeric items={limitFacts(data.account_limits)} />
              </Panel>
              <Panel title="JetStream of an account" description="Streams, key-value buckets and object stores.">
                <Facts numeric items={jetStreamFacts(data.account_limits)} />
              </Panel>
            </SimpleGrid>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}
