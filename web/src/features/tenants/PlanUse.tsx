import type { Plan } from "../../api/tenants";
import { Meter } from "../../ui/Meter";

/** PlanUse is the one thing the API counts of a plan so far: accounts. */
export function PlanUse({ plan }: { plan: Plan }) {
  return <Meter label="Accounts" unit="count" used={plan.use.accounts} limit={plan.max_accounts} />;
}
