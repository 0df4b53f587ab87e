import { SimpleGrid } from "@mantine/core";
import type { PlanVersion } from "../../api/plans";
import { Facts } from "../../ui/Facts";
import { formatDuration, formatLimit } from "../../ui/format";
import { Panel } from "../../ui/Panel";
import { connectionTypeName } from "../accounts/connectionWords";
import { jetStreamFacts, limitFacts } from "../accounts/limitFacts";
import { counts, totals, totalsOf } from "./planForm";

/** PlanBounds is all that a version of a plan gives, for reading. */
export function PlanBounds({ plan }: { plan: PlanVersion }) {
  const together = totalsOf(plan);
  const { connection_types: types, default_credential_lifetime: standard, max_credential_lifetime: most } = plan;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Panel title="A tenant" description="What it may have, all of its accounts together.">
        <Facts
          numeric
          items={[
            ...counts.map(({ name, label, description }): [string, string] => [
              description === "Of a tenant" ? label : `${label} in an account`,
              formatLimit(plan[name], "count"),
            ]),
            ...totals.map(({ name, label, unit }): [string, string] => [label, formatLimit(together[name], unit)]),
          ]}
        />
      </Panel>
      <Panel title="Clients and creds" description="How clients may connect, and how long creds live.">
        <Facts
          numeric
          items={[
            ["Connection types", types.length === 0 ? "All" : types.map((type) => connectionTypeName(type)).join(", ")],
            ["Creds live for", standard === null ? "As long as they may" : formatDuration(standard)],
            ["Creds live at most for", most === null ? "For ever" : formatDuration(most)],
          ]}
        />
      </Panel>
      <Panel title="Limits of an account" description="The most that each account's settings may ask for.">
        <Facts numeric items={limitFacts(plan.account_limits)} />
      </Panel>
      <Panel title="JetStream of an account" description="Streams, key-value buckets and object stores.">
        <Facts numeric items={jetStreamFacts(plan.account_limits)} />
      </Panel>
    </SimpleGrid>
  );
}
