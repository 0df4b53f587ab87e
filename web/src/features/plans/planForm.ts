import type { Limits } from "../../api/accounts";
import type { PlanUpdate, PlanVersion } from "../../api/plans";
import type { ConnectionType } from "../../api/roles";
import { changedLimits, type LimitForm, limitFormOf, limitPointers } from "../accounts/limits";

type Bounds = Pick<
  PlanVersion,
  | "name"
  | "max_accounts"
  | "max_members"
  | "max_roles"
  | "max_users"
  | "account_limits"
  | "tenant_limits"
  | "connection_types"
  | "max_credential_lifetime"
  | "default_credential_lifetime"
>;

const unlimited: Limits = {
  connections: -1,
  leaf_nodes: -1,
  subscriptions: -1,
  payload_bytes: -1,
  data_bytes: -1,
  exports: -1,
  imports: -1,
  wildcard_exports: true,
  bearer: true,
  jetstream: {
    memory_bytes: -1,
    disk_bytes: -1,
    streams: -1,
    consumers: -1,
    ack_pending: -1,
    memory_max_stream_bytes: -1,
    disk_max_stream_bytes: -1,
    max_bytes_required: false,
  },
};

/** What a plan is about which nothing was said: as generous as it can be. */
export const newPlan: Bounds = {
  name: "",
  max_accounts: -1,
  max_members: -1,
  max_roles: -1,
  max_users: -1,
  account_limits: unlimited,
  tenant_limits: { connections: -1, leaf_nodes: -1, jetstream: { memory_bytes: -1, disk_bytes: -1, streams: -1 } },
  connection_types: [],
  max_credential_lifetime: null,
  default_credential_lifetime: null,
};

export const counts = [
  { name: "max_accounts", label: "Accounts", description: "Of a tenant" },
  { name: "max_members", label: "Members", description: "Of a tenant" },
  { name: "max_roles", label: "Roles", description: "In each account" },
  { name: "max_users", label: "Users", description: "In each account" },
] as const;

/** What all accounts of a tenant may have together. */
export type TotalsForm = {
  connections: number;
  leaf_nodes: number;
  memory_bytes: number;
  disk_bytes: number;
  streams: number;
};

export const totals = [
  { name: "connections", pointer: "/tenant_limits/connections", label: "Connections of all accounts", unit: "count" },
  { name: "leaf_nodes", pointer: "/tenant_limits/leaf_nodes", label: "Leaf nodes of all accounts", unit: "count" },
  {
    name: "memory_bytes",
    pointer: "/tenant_limits/jetstream/memory_bytes",
    label: "JetStream memory of all accounts",
    unit: "bytes",
  },
  {
    name: "disk_bytes",
    pointer: "/tenant_limits/jetstream/disk_bytes",
    label: "JetStream disk of all accounts",
    unit: "bytes",
  },
  { name: "streams", pointer: "/tenant_limits/jetstream/streams", label: "Streams of all accounts", unit: "count" },
] as const;

export type PlanForm = {
  name: string;
  counts: Record<(typeof counts)[number]["name"], number>;
  totals: TotalsForm;
  limits: LimitForm;
  connectionTypes: ConnectionType[];
  maxLifetime: string | null;
  defaultLifetime: string | null;
};

export function planFormOf(plan: Bounds): PlanForm {
  const { max_accounts, max_members, max_roles, max_users } = plan;
  return {
    name: plan.name,
    counts: { max_accounts, max_members, max_roles, max_users },
    totals: totalsOf(plan),
    limits: limitFormOf(plan.account_limits),
    connectionTypes: plan.connection_types,
    maxLifetime: plan.max_credential_lifetime,
    defaultLifetime: plan.default_credential_lifetime,
  };
}

export function totalsOf({ tenant_limits: { connections, leaf_nodes, jetstream } }: Bounds): TotalsForm {
  return { connections, leaf_nodes, ...jetstream };
}

/** Fields of the form that the API's pointers land on. */
export const planPointers = [
  "/name",
  ...counts.map(({ name }) => `/${name}`),
  ...totals.map(({ pointer }) => pointer),
  ...limitPointers.map((pointer) => pointer.replace("/limits", "/account_limits")),
  "/connection_types",
  "/max_credential_lifetime",
  "/default_credential_lifetime",
];

/** planChanges is what the next version has otherwise than the plan; empty when it is the same. */
export function planChanges(plan: Bounds, form: PlanForm): PlanUpdate {
  const before = planFormOf(plan);
  const name = form.name.trim();
  const limits = changedLimits(before.limits, form.limits);
  const { memory_bytes, disk_bytes, streams, ...flat } = changedNumbers(before.totals, form.totals);
  const jetstream = defined({ memory_bytes, disk_bytes, streams });
  const tenantLimits = { ...flat, ...(Object.keys(jetstream).length > 0 && { jetstream }) };
  return {
    ...(name !== before.name && { name }),
    ...changedNumbers(before.counts, form.counts),
    ...(Object.keys(tenantLimits).length > 0 && { tenant_limits: tenantLimits }),
    ...(limits && { account_limits: limits }),
    ...(form.connectionTypes.join() !== before.connectionTypes.join() && { connection_types: form.connectionTypes }),
    ...(form.maxLifetime !== before.maxLifetime && { max_credential_lifetime: form.maxLifetime }),
    ...(form.defaultLifetime !== before.defaultLifetime && { default_credential_lifetime: form.defaultLifetime }),
  };
}

function changedNumbers<Name extends string>(before: Record<Name, number>, after: Record<Name, number>) {
  const names = Object.keys(after) as Name[];
  return Object.fromEntries(
    names.filter((name) => after[name] !== before[name]).map((name) => [name, after[name]]),
  ) as Partial<Record<Name, number>>;
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
