import { describe, expect, it } from "vitest";
import type { Limits } from "../../api/accounts";
import { allLimits, changedLimits, valueAt, valuesOf } from "./limits";

const plan: Limits = {
  connections: 100,
  leaf_nodes: 5,
  subscriptions: 1000,
  payload_bytes: 1 << 20,
  data_bytes: -1,
  exports: 10,
  imports: 10,
  jetstream: { memory_bytes: 1 << 24, disk_bytes: 1 << 30, streams: 10, consumers: 100 },
};

describe("an account's limits", () => {
  it("has a field for each of the API's", () => {
    const { jetstream, ...rest } = plan;
    const pointers = [...Object.keys(rest), ...Object.keys(jetstream).map((name) => `jetstream/${name}`)];
    expect(allLimits.map(({ pointer }) => pointer).toSorted()).toEqual(pointers.map((name) => `/${name}`).toSorted());
    expect(valueAt(plan, "/jetstream/disk_bytes")).toBe(1 << 30);
  });

  it("sends only those that changed", () => {
    const before = valuesOf(plan);
    expect(changedLimits(before, before)).toBeUndefined();
    expect(changedLimits(before, { ...before, "/connections": 20, "/jetstream/streams": 0 })).toEqual({
      connections: 20,
      jetstream: { streams: 0 },
    });
  });
});
