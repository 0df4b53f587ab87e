import { describe, expect, it } from "vitest";
import { anAccount } from "../../testing";
import { changedLimits, limitFormOf, limitPointers, maximumAt, switchJetStream, valueAt } from "./limits";

const plan = anAccount.limits;
const tier = { ...plan.jetstream, tiers: undefined };
const none = { ...tier, memory_bytes: 0, disk_bytes: 0, streams: 0, consumers: 0 };
const tiered = { ...plan, jetstream: { ...none, tiers: { r1: tier } } };

/** pointersOf walks a value of the API down to its leaves. */
function pointersOf(value: object, at = ""): string[] {
  return Object.entries(value).flatMap(([name, part]) => {
    if (part === undefined) return [];
    return typeof part === "object" ? pointersOf(part as object, `${at}/${name}`) : [`${at}/${name}`];
  });
}

describe("an account's limits", () => {
  it("has a field for each of the API's", () => {
    const all = { ...plan, jetstream: { ...tier, tiers: { r1: tier, r3: tier } } };
    expect(limitPointers.toSorted()).toEqual(pointersOf(all, "/limits").toSorted());
    expect(valueAt(plan, "/jetstream/disk_bytes")).toBe(1 << 30);
  });

  it("sends only those that changed", () => {
    const before = limitFormOf(plan);
    expect(changedLimits(before, before)).toBeUndefined();
    const values = { ...before.values, "/connections": 20, "/jetstream/streams": 0 };
    const after = { ...before, values, flags: { ...before.flags, "/bearer": false } };
    expect(changedLimits(before, after)).toEqual({ connections: 20, bearer: false, jetstream: { streams: 0 } });
  });

  it("says all of the tiers when they take the place of common limits, and nothing of those", () => {
    const before = limitFormOf(plan);
    const patch = changedLimits(before, switchJetStream(before, true));
    expect(Object.keys(patch?.jetstream ?? {})).toEqual(["tiers"]);
    expect(patch?.jetstream?.tiers?.r1).toMatchObject({ disk_bytes: 1 << 30, streams: 10 });
    expect(patch?.jetstream?.tiers?.r3).toMatchObject({ disk_bytes: 0 });
  });

  it("keeps what either kind says while one looks at the other", () => {
    const back = switchJetStream(switchJetStream(limitFormOf(plan), true), false);
    expect(back.values).toMatchObject({ "/jetstream/streams": 10 });
  });

  it("bounds a tier by the plan's common limits where the plan has no tiers", () => {
    expect(maximumAt(plan, "/jetstream/tiers/r3/disk_bytes")).toBe(1 << 30);
    expect(maximumAt(tiered, "/jetstream/tiers/r3/disk_bytes")).toBe(0);
  });
});
