import { expect, it } from "vitest";
import { aPlan } from "../../testing";
import { newPlan, planChanges, planFormOf } from "./planForm";

it("sends nothing that was not changed", () => {
  expect(planChanges(aPlan, planFormOf(aPlan))).toEqual({});
  expect(planChanges(newPlan, planFormOf(newPlan))).toEqual({});
});

it("names each bound where the API has it", () => {
  const form = planFormOf(aPlan);
  const changed = {
    ...form,
    counts: { ...form.counts, max_members: 20 },
    totals: { ...form.totals, connections: -1, streams: 7 },
    limits: { ...form.limits, values: { ...form.limits.values, "/connections": 200 } },
    maxLifetime: "PT3600S",
  };
  expect(planChanges(aPlan, changed)).toEqual({
    max_members: 20,
    tenant_limits: { connections: -1, jetstream: { streams: 7 } },
    account_limits: { connections: 200 },
    max_credential_lifetime: "PT3600S",
  });
});
