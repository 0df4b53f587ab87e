import { SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { planOf } from "../api/tenants";
import { jetStreamFacts, limitFacts } from "../features/accounts/limitFacts";
import { connectionTypeName } from "../features/accounts/connectionWords";
import { Loaded } from "../features/problems/Loaded";
import { PlanUse } from "../features/tenants/PlanUse";
import { Facts } from "../ui/Facts";
import { formatDuration, formatLimit, plural } from "../ui/format";
import { TextLink } from "../ui/links";
import { Notice } from "../ui/Notice";
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
            {data.over_plan.length > 0 && (
              <Notice
                tone="attention"
                role="status"
                title={`${plural(data.over_plan.length, "account")} ${data.over_plan.length === 1 ? "has" : "have"} less than the settings say`}
              >
                The plan does not give more. Lower the settings, or ask for a larger plan:{" "}
                {data.over_plan.map(({ account_id, name }, index) => (
                  <span key={account_id}>
                    {index > 0 && ", "}
                    <TextLink to="/accounts/$account/settings" params={{ account: account_id }} size="sm">
                      {name}
                    </TextLink>
                  </span>
                ))}
                .
              </Notice>
            )}
            <Panel title={`Plan: ${data.name}, version ${data.version}`}>
              <Stack gap="md">
                <PlanUse plan={data} />
                <Facts
                  numeric
                  items={[
                    ["Roles in an account", formatLimit(data.max_roles, "count")],
                    ["Users in an account", formatLimit(data.max_users, "count")],
                    [
                      "Connection types",
                      data.connection_types.length === 0
                        ? "All"
                        : data.connection_types.map((type) => connectionTypeName(type)).join(", "),
                    ],
                    ["Creds live for", lifetime(data.default_credential_lifetime, "As long as they may")],
                    ["Creds live at most for", lifetime(data.max_credential_lifetime, "For ever")],
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

function lifetime(duration: string | null, none: string): string {
  return duration === null ? none : formatDuration(duration);
}
