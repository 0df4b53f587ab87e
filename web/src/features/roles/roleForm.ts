import type { ConnectionType, Role, RoleCreate } from "../../api/roles";
import { durationOf, secondsOf } from "../../ui/format";
import type { TimesForm } from "./TimeFields";

/** How people think of a permission, instead of two lists whose emptiness means opposite things. */
export type Reach = "everything" | "only" | "nothing";

export type MayForm = { reach: Reach; only: string[] };

/** What is off limits whatever else is allowed: mostly both ways, now and then one way only. */
export type NeverForm = { both: string[]; publish: string[]; subscribe: string[] };

export type AnswersForm = { on: boolean; maxMessages: number; seconds: number };

export type PermissionsForm = { publish: MayForm; subscribe: MayForm; never: NeverForm; answers: AnswersForm };

export type RoleForm = PermissionsForm & {
  name: string;
  description: string;
  connectionTypes: ConnectionType[];
  sourceNetworks: string[];
  times: TimesForm;
  /** Its users are let in by their JWT alone, as MQTT clients are. */
  bearer: boolean;
  /** "" is unlimited: the account's limit holds alone. */
  subscriptions: number | "";
  payloadBytes: number | "";
  connectionsPerUser: number | "";
  /** ISO 8601; null leaves it to the plan. */
  defaultLifetime: string | null;
  maxLifetime: string | null;
};

const everySubject = ">";

export const newRole: RoleForm = {
  name: "",
  description: "",
  publish: { reach: "everything", only: [] },
  subscribe: { reach: "everything", only: [] },
  never: { both: [], publish: [], subscribe: [] },
  answers: { on: false, maxMessages: 1, seconds: 0 },
  connectionTypes: [],
  sourceNetworks: [],
  times: { zone: "", ranges: [] },
  bearer: false,
  subscriptions: "",
  payloadBytes: "",
  connectionsPerUser: "",
  defaultLifetime: null,
  maxLifetime: null,
};

export function formOf(role: Role): RoleForm {
  return {
    ...permissionFormOf(role.permissions),
    name: role.name,
    description: role.description,
    connectionTypes: role.connection_types,
    sourceNetworks: role.source_networks,
    times: { zone: role.time_zone, ranges: role.times },
    bearer: role.bearer,
    subscriptions: limitFormOf(role.limits.subscriptions),
    payloadBytes: limitFormOf(role.limits.payload_bytes),
    connectionsPerUser: limitFormOf(role.limits.connections_per_user),
    defaultLifetime: role.default_credential_lifetime,
    maxLifetime: role.max_credential_lifetime,
  };
}

export function permissionFormOf({ publish, subscribe, responses }: Role["permissions"]): PermissionsForm {
  return {
    publish: mayFormOf(publish),
    subscribe: mayFormOf(subscribe),
    never: neverFormOf({ publish, subscribe }),
    answers: responses
      ? { on: true, maxMessages: responses.max_messages, seconds: secondsOf(responses.expires_in) ?? 0 }
      : newRole.answers,
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
    permissions: permissionsOf(form),
    connection_types: form.connectionTypes,
    source_networks: form.sourceNetworks,
    times: form.times.ranges,
    time_zone: form.times.ranges.length > 0 ? form.times.zone : "",
    bearer: form.bearer,
    limits: {
      subscriptions: limitOf(form.subscriptions),
      payload_bytes: limitOf(form.payloadBytes),
      connections_per_user: limitOf(form.connectionsPerUser),
    },
    default_credential_lifetime: form.defaultLifetime,
    max_credential_lifetime: form.maxLifetime,
  };
}

/** permissionsOf is the part of a role that says which subjects. */
export function permissionsOf({
  publish,
  subscribe,
  never,
  answers,
}: PermissionsForm): Required<RoleCreate["permissions"] & object> {
  // A queue group after a subject means something to subscriptions only.
  const bothWays = never.both.filter((subject) => !subject.includes(" "));
  return {
    publish: permissionOf(publish, [...bothWays, ...never.publish]),
    subscribe: permissionOf(subscribe, [...never.both, ...never.subscribe]),
    responses: answers.on ? { max_messages: answers.maxMessages, expires_in: durationOf(answers.seconds) } : null,
  };
}

/**
 * missingSubjects tells that "only these" names none. It must not be sent: to NATS an empty list of allowed subjects
 * allows everything.
 */
export function missingSubjects(may: MayForm): boolean {
  return may.reach === "only" && may.only.length === 0;
}

type Lists = { allow?: string[]; deny?: string[] };

function mayFormOf({ allow = [], deny = [] }: Lists = {}): MayForm {
  if (deny.includes(everySubject)) return { reach: "nothing", only: allow };
  return { reach: allow.length > 0 ? "only" : "everything", only: allow };
}

function neverFormOf({ publish, subscribe }: { publish?: Lists; subscribe?: Lists }): NeverForm {
  const [here, there] = [publish?.deny ?? [], subscribe?.deny ?? []];
  // Where a way is closed altogether, what the other never may is off limits both ways.
  if (here.includes(everySubject)) {
    return { both: there.filter((subject) => subject !== everySubject), publish: [], subscribe: [] };
  }
  if (there.includes(everySubject)) return { both: here, publish: [], subscribe: [] };
  return {
    both: here.filter((subject) => there.includes(subject)),
    publish: here.filter((subject) => !there.includes(subject)),
    subscribe: there.filter((subject) => !here.includes(subject)),
  };
}

function permissionOf({ reach, only }: MayForm, never: string[]): { allow: string[]; deny: string[] } {
  if (reach === "nothing") return { allow: [], deny: [everySubject] };
  return { allow: reach === "only" ? only : [], deny: never };
}

function limitFormOf(value: number | undefined): number | "" {
  return value === undefined || value === -1 ? "" : value;
}

function limitOf(value: number | ""): number {
  return value === "" ? -1 : value;
}
