import type { AccountUpdate, Limits } from "../../api/accounts";

/** One limit of an account: where it is in the API's body, and how people read it. */
export type Limit = {
  /** JSON pointer below /limits, which is also the path in Limits. */
  pointer: string;
  label: string;
  description: string;
  unit: "count" | "bytes";
};

/** One thing an account may do or not. */
export type LimitSwitch = { pointer: string; label: string; description: string };

export const limits: Limit[] = [
  { pointer: "/connections", label: "Connections", description: "Clients connected at once", unit: "count" },
  { pointer: "/leaf_nodes", label: "Leaf nodes", description: "Leaf nodes connected at once", unit: "count" },
  { pointer: "/subscriptions", label: "Subscriptions", description: "Of one connection", unit: "count" },
  { pointer: "/payload_bytes", label: "Largest message", description: "Payload and headers", unit: "bytes" },
  { pointer: "/data_bytes", label: "Data", description: "For tools to read; no server enforces it", unit: "bytes" },
  { pointer: "/exports", label: "Exports", description: "Subjects offered to other accounts", unit: "count" },
  { pointer: "/imports", label: "Imports", description: "Subjects taken from other accounts", unit: "count" },
];

export const limitSwitches: LimitSwitch[] = [
  {
    pointer: "/wildcard_exports",
    label: "Exports may have wildcards",
    description: "Offering orders.> to other accounts, and not only single subjects.",
  },
  {
    pointer: "/bearer",
    label: "Users may get in by JWT alone",
    description: "Where their role lets them too. MQTT clients need it: they send the JWT as password.",
  },
];

/** JetStream's limits stand once for the account, or once for each number of replicas. */
const jetStream: (Omit<Limit, "pointer"> & { name: string })[] = [
  { name: "memory_bytes", label: "Memory", description: "All streams in memory together", unit: "bytes" },
  { name: "disk_bytes", label: "Disk", description: "All streams on disk together", unit: "bytes" },
  { name: "memory_max_stream_bytes", label: "Largest stream in memory", description: "Of one stream", unit: "bytes" },
  { name: "disk_max_stream_bytes", label: "Largest stream on disk", description: "Of one stream", unit: "bytes" },
  { name: "streams", label: "Streams", description: "Key-value buckets and object stores count", unit: "count" },
  { name: "consumers", label: "Consumers", description: "Of one stream", unit: "count" },
  { name: "ack_pending", label: "Unacknowledged", description: "Messages of one consumer", unit: "count" },
];

export const flatJetStream = "/jetstream";
export const tiers = [
  { pointer: "/jetstream/tiers/r1", label: "Streams with one replica (R1)" },
  { pointer: "/jetstream/tiers/r3", label: "Streams with three replicas (R3)" },
];

export function jetStreamLimits(prefix: string): Limit[] {
  return jetStream.map(({ name, ...limit }) => ({ ...limit, pointer: `${prefix}/${name}` }));
}

export function maxBytesRequired(prefix: string): LimitSwitch {
  return {
    pointer: `${prefix}/max_bytes_required`,
    label: "Streams must say how large they may become",
    description: "So that nobody finds the disk full by surprise.",
  };
}

const jetStreamParts = [flatJetStream, ...tiers.map(({ pointer }) => pointer)];
const numbers = [...limits, ...jetStreamParts.flatMap(jetStreamLimits)];
const switches = [...limitSwitches, ...jetStreamParts.map(maxBytesRequired)];

/** Where the API may find fault with a limit. */
export const limitPointers = [...numbers, ...switches].map(({ pointer }) => `/limits${pointer}`);

/** Limits as a form holds them: by pointer, both kinds of JetStream limits at once so that none is lost by looking. */
export type LimitForm = { tiered: boolean; values: Record<string, number>; flags: Record<string, boolean> };

export function limitFormOf(of: Limits): LimitForm {
  return {
    tiered: of.jetstream.tiers !== undefined,
    values: Object.fromEntries(numbers.map(({ pointer }) => [pointer, valueAt(of, pointer)])),
    flags: Object.fromEntries(switches.map(({ pointer }) => [pointer, lookUp(of, pointer) === true])),
  };
}

/** switchJetStream changes the kind of JetStream limits; a kind that is empty begins with what the other one says. */
export function switchJetStream(form: LimitForm, tiered: boolean): LimitForm {
  const [from, to] = tiered ? [flatJetStream, "/jetstream/tiers/r1"] : ["/jetstream/tiers/r1", flatJetStream];
  const empty = (tiered ? tiers.map(({ pointer }) => pointer) : [flatJetStream])
    .flatMap(jetStreamLimits)
    .every(({ pointer }) => !form.values[pointer]);
  if (!empty) return { ...form, tiered };
  const values = { ...form.values };
  for (const { name } of jetStream) values[`${to}/${name}`] = form.values[`${from}/${name}`] ?? 0;
  const [source, target] = [maxBytesRequired(from).pointer, maxBytesRequired(to).pointer];
  return { tiered, values, flags: { ...form.flags, [target]: form.flags[source] ?? false } };
}

/** valueAt is 0 where there is no such limit, which is what its absence means: no such tier. */
export function valueAt(of: Limits, pointer: string): number {
  const value = lookUp(of, pointer);
  return typeof value === "number" ? value : 0;
}

/** maximumAt is the plan's word on a limit; where the plan has no tiers, its common limits stand for each. */
export function maximumAt(plan: Limits, pointer: string): number {
  if (plan.jetstream.tiers) return valueAt(plan, pointer);
  return valueAt(plan, pointer.replace(/^\/jetstream\/tiers\/r\d/, flatJetStream));
}

function lookUp(of: Limits, pointer: string): unknown {
  let value: unknown = of;
  for (const name of pointer.slice(1).split("/")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

type LimitsInput = NonNullable<AccountUpdate["limits"]>;

/** changedLimits is the merge patch from one form to another; undefined when they are the same. */
export function changedLimits(before: LimitForm, after: LimitForm): LimitsInput | undefined {
  const isTier = (pointer: string) => pointer.startsWith("/jetstream/tiers/");
  const applies = (pointer: string) => !pointer.startsWith("/jetstream/") || isTier(pointer) === after.tiered;
  // Naming one kind of JetStream limits takes the place of the other, so a switch between them says all of the new one.
  const switched = before.tiered !== after.tiered;
  const changed = [
    ...numbers.map(({ pointer }) => [pointer, before.values[pointer], after.values[pointer]] as const),
    ...switches.map(({ pointer }) => [pointer, before.flags[pointer], after.flags[pointer]] as const),
  ].filter(
    ([pointer, from, to]) => applies(pointer) && (from !== to || (switched && pointer.startsWith("/jetstream/"))),
  );
  if (changed.length === 0) return undefined;
  const patch: Record<string, unknown> = {};
  for (const [pointer, , to] of changed) {
    const path = pointer.slice(1).split("/");
    const name = path.pop() ?? "";
    let parent = patch;
    for (const part of path) parent = (parent[part] ??= {}) as Record<string, unknown>;
    parent[name] = to;
  }
  return patch as LimitsInput;
}
