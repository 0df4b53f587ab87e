import type { Account, AccountUpdate } from "../../api/accounts";
import type { ConnectionType } from "../../api/roles";
import { permissionFormOf, permissionsOf, type PermissionsForm } from "../roles/roleForm";
import { changedLimits, type LimitForm, limitFormOf, limitPointers } from "./limits";

export type AccountForm = {
  name: string;
  description: string;
  tags: string[];
  limits: LimitForm;
  connectionTypes: ConnectionType[];
  /** The most connections by type; "" is no limit but the account's. */
  perType: Partial<Record<ConnectionType, number | "">>;
  defaultPermissions: PermissionsForm;
  trace: { on: boolean; destination: string; sampling: number };
};

export function accountFormOf(account: Account): AccountForm {
  return {
    name: account.name,
    description: account.description,
    tags: account.tags,
    limits: limitFormOf(account.limits),
    connectionTypes: account.connection_types,
    perType: account.connections_per_type,
    defaultPermissions: permissionFormOf(account.default_permissions),
    trace: account.trace
      ? { on: true, destination: account.trace.destination, sampling: account.trace.sampling }
      : { on: false, destination: "", sampling: 100 },
  };
}

/** Fields of the form that the API's pointers land on. */
export const accountPointers = [
  "/name",
  "/description",
  "/tags",
  ...limitPointers,
  "/connection_types",
  "/connections_per_type",
  "/default_permissions/publish/allow",
  "/default_permissions/publish/deny",
  "/default_permissions/subscribe/allow",
  "/default_permissions/subscribe/deny",
  "/default_permissions/responses/max_messages",
  "/default_permissions/responses/expires_in",
  "/trace/destination",
  "/trace/sampling",
];

/** accountChanges is the merge patch that makes the account what the form says; empty when it is that already. */
export function accountChanges(account: Account, form: AccountForm): AccountUpdate {
  const before = accountFormOf(account);
  const name = form.name.trim();
  const description = form.description.trim();
  const limits = changedLimits(before.limits, form.limits);
  const perType = changedPerType(before.perType, form.perType);
  return {
    ...(name !== before.name && { name }),
    ...(description !== before.description && { description }),
    ...(!same(form.tags, before.tags) && { tags: form.tags }),
    ...(limits && { limits }),
    ...(!same(form.connectionTypes, before.connectionTypes) && { connection_types: form.connectionTypes }),
    ...(Object.keys(perType).length > 0 && { connections_per_type: perType }),
    ...(!same(form.defaultPermissions, before.defaultPermissions) && {
      default_permissions: permissionsOf(form.defaultPermissions),
    }),
    ...(!same(traceOf(form), traceOf(before)) && { trace: traceOf(form) }),
  };
}

function traceOf({ trace }: AccountForm): NonNullable<AccountUpdate["trace"]> | null {
  return trace.on ? { destination: trace.destination.trim(), sampling: trace.sampling } : null;
}

/** changedPerType names the types whose count changed; null takes a count away. */
function changedPerType(before: AccountForm["perType"], after: AccountForm["perType"]): Record<string, number | null> {
  const types = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<ConnectionType>;
  return Object.fromEntries(
    [...types]
      .map((type) => [type, before[type] ?? "", after[type] ?? ""] as const)
      .filter(([, from, to]) => from !== to)
      .map(([type, , to]) => [type, to === "" ? null : to]),
  );
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
