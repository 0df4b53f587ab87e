import type { ConnectionType, Role, RoleCreate } from "../../api/roles";
import { durationOf, secondsOf } from "../../ui/format";

/** How people think of a permission, instead of two lists whose emptiness means opposite things. */
export type Reach = "everything" | "only" | "nothing";

export type PermissionForm = { reach: Reach; only: string[]; never: string[] };

export type RoleForm = {
  name: string;
  description: string;
  publish: PermissionForm;
  subscribe: PermissionForm;
  answers: { on: boolean; maxMessages: number; seconds: number };
  connectionTypes: ConnectionType[];
  sourceNetworks: string[];
  /** Its users are let in by their JWT alone, as MQTT clients are. */
  bearer: boolean;
  /** "" is unlimited: the account's limit holds alone. */
  subscriptions: number | "";
  payloadBytes: number | "";
};

const everySubject = ">";

export const newRole: RoleForm = {
  name: "",
  description: "",
  publish: { reach: "everything", only: [], never: [] },
  subscribe: { reach: "everything", only: [], never: [] },
  answers: { on: false, maxMessages: 1, seconds: 0 },
  connectionTypes: [],
  sourceNetworks: [],
  bearer: false,
  subscriptions: "",
  payloadBytes: "",
};

export function formOf(role: Role): RoleForm {
  const responses = role.permissions.responses;
  return {
    name: role.name,
    description: role.description,
    publish: permissionFormOf(role.permissions.publish),
    subscribe: permissionFormOf(role.permissions.subscribe),
    answers: responses
      ? { on: true, maxMessages: responses.max_messages, seconds: secondsOf(responses.expires_in) ?? 0 }
      : newRole.answers,
    connectionTypes: role.connection_types,
    sourceNetworks: role.source_networks,
    bearer: role.bearer,
    subscriptions: limitFormOf(role.limits.subscriptions),
    payloadBytes: limitFormOf(role.limits.payload_bytes),
  };
}

/**
 * bodyOf says every list, empty ones too: an update replaces lists whole and leaves absent ones as they are. The result
 * does for create and update alike.
 */
export function bodyOf(form: RoleForm): Required<RoleCreate> {
  return {
    name: form.name.trim(),
    description: form.description.trim(),
    permissions: {
      publish: permissionOf(form.publish),
      subscribe: permissionOf(form.subscribe),
      responses: form.answers.on
        ? { max_messages: form.answers.maxMessages, expires_in: durationOf(form.answers.seconds) }
        : null,
    },
    connection_types: form.connectionTypes,
    source_networks: form.sourceNetworks,
    bearer: form.bearer,
    limits: { subscriptions: limitOf(form.subscriptions), payload_bytes: limitOf(form.payloadBytes) },
  };
}

/**
 * missingSubjects tells that "only these" names none. It must not be sent: to NATS an empty list of allowed subjects
 * allows everything.
 */
export function missingSubjects(permission: PermissionForm): boolean {
  return permission.reach === "only" && permission.only.length === 0;
}

function permissionFormOf({ allow = [], deny = [] }: { allow?: string[]; deny?: string[] } = {}): PermissionForm {
  if (deny.includes(everySubject)) return { reach: "nothing", only: allow, never: [] };
  return { reach: allow.length > 0 ? "only" : "everything", only: allow, never: deny };
}

function permissionOf({ reach, only, never }: PermissionForm): { allow: string[]; deny: string[] } {
  if (reach === "nothing") return { allow: [], deny: [everySubject] };
  return { allow: reach === "only" ? only : [], deny: never };
}

function limitFormOf(value: number | undefined): number | "" {
  return value === undefined || value === -1 ? "" : value;
}

function limitOf(value: number | ""): number {
  return value === "" ? -1 : value;
}
