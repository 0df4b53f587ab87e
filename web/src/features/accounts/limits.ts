import type { Limits } from "../../api/accounts";

/** One limit of an account: where it is in the API's body, and how people read it. */
export type Limit = {
  /** JSON pointer below /limits, which is also the path in Limits. */
  pointer: string;
  label: string;
  description: string;
  unit: "count" | "bytes";
};

export const limits: Limit[] = [
  { pointer: "/connections", label: "Connections", description: "Clients connected at once", unit: "count" },
  { pointer: "/leaf_nodes", label: "Leaf nodes", description: "Leaf nodes connected at once", unit: "count" },
  { pointer: "/subscriptions", label: "Subscriptions", description: "Of one connection", unit: "count" },
  { pointer: "/payload_bytes", label: "Largest message", description: "Payload and headers", unit: "bytes" },
  { pointer: "/data_bytes", label: "Data", description: "For tools to read; no server enforces it", unit: "bytes" },
  { pointer: "/exports", label: "Exports", description: "Subjects offered to other accounts", unit: "count" },
  { pointer: "/imports", label: "Imports", description: "Subjects taken from other accounts", unit: "count" },
];

export const jetStreamLimits: Limit[] = [
  { pointer: "/jetstream/memory_bytes", label: "Memory", description: "For streams kept in memory", unit: "bytes" },
  { pointer: "/jetstream/disk_bytes", label: "Disk", description: "For streams kept on disk", unit: "bytes" },
  {
    pointer: "/jetstream/streams",
    label: "Streams",
    description: "Key-value buckets and object stores count",
    unit: "count",
  },
  { pointer: "/jetstream/consumers", label: "Consumers", description: "Of all streams together", unit: "count" },
];

export const allLimits = [...limits, ...jetStreamLimits];

/** Values by pointer, as a form holds them. */
export type LimitValues = Record<string, number>;

export function valuesOf(of: Limits): LimitValues {
  return Object.fromEntries(allLimits.map(({ pointer }) => [pointer, valueAt(of, pointer)]));
}

export function valueAt(of: Limits, pointer: string): number {
  const { jetstream, ...rest } = of;
  const flat: Record<string, number> = rest;
  const nested: Record<string, number> = jetstream;
  const value = pointer.startsWith("/jetstream/")
    ? nested[pointer.slice("/jetstream/".length)]
    : flat[pointer.slice(1)];
  return value ?? 0;
}

type LimitsInput = Partial<Omit<Limits, "jetstream">> & { jetstream?: Partial<Limits["jetstream"]> };

/** changedLimits is the merge patch from one set of values to another; undefined when they are the same. */
export function changedLimits(before: LimitValues, after: LimitValues): LimitsInput | undefined {
  const changed = allLimits.filter(({ pointer }) => before[pointer] !== after[pointer]);
  if (changed.length === 0) return undefined;
  const patch: Record<string, number | Record<string, number>> = {};
  const jetstream: Record<string, number> = {};
  for (const { pointer } of changed) {
    const value = after[pointer] ?? 0;
    if (pointer.startsWith("/jetstream/")) jetstream[pointer.slice("/jetstream/".length)] = value;
    else patch[pointer.slice(1)] = value;
  }
  if (Object.keys(jetstream).length > 0) patch.jetstream = jetstream;
  return patch as LimitsInput;
}
