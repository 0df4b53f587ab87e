import type { ConnectionType, Role } from "../../api/roles";

export const connectionTypeNames: Record<ConnectionType, string> = {
  STANDARD: "NATS",
  WEBSOCKET: "WebSocket",
  LEAFNODE: "leaf node",
  LEAFNODE_WS: "leaf node over WebSocket",
  MQTT: "MQTT",
  MQTT_WS: "MQTT over WebSocket",
  IN_PROCESS: "in process",
};

type Verbs = { publish: string; subscribe: string };
type Permission = { allow?: string[]; deny?: string[] };

/** roleSentence says a role in plain words: "Can publish to orders.>, subscribe to _INBOX.>, over WebSocket only." */
export function roleSentence(
  role: Pick<Role, "permissions" | "connection_types" | "source_networks"> & Partial<Pick<Role, "times" | "time_zone">>,
): string {
  const verbs: Verbs = {
    publish: reach(role.permissions.publish),
    subscribe: reach(role.permissions.subscribe),
  };
  const parts = [...acts(verbs)];
  if (role.permissions.responses) parts.push("answer requests");
  if (role.connection_types.length > 0) {
    parts.push(`over ${listed(role.connection_types.map((type) => connectionTypeNames[type]))} only`);
  }
  if (role.source_networks.length > 0) parts.push(`from ${listed(role.source_networks)} only`);
  if (role.times && role.times.length > 0) {
    const hours = role.times.map(({ start, end }) => `${clock(start)} to ${clock(end)}`);
    parts.push(`from ${listed(hours)}${role.time_zone ? ` (${role.time_zone})` : ""} only`);
  }
  return `${parts.join(", ")}.`;
}

function* acts({ publish, subscribe }: Verbs): Generator<string> {
  if (publish === subscribe) {
    yield publish === "" ? "Can neither publish nor subscribe" : `Can publish and subscribe to ${publish}`;
    return;
  }
  yield publish === "" ? "Cannot publish" : `Can publish to ${publish}`;
  if (subscribe === "") yield "cannot subscribe";
  else yield publish === "" ? `can subscribe to ${subscribe}` : `subscribe to ${subscribe}`;
}

/** reach is what a permission leaves; "" when nothing. */
function reach({ allow = [], deny = [] }: Permission = {}): string {
  if (deny.includes(">")) return "";
  const allowed = allow.length === 0 || allow.includes(">") ? "everything" : listed(shortened(allow));
  return deny.length === 0 ? allowed : `${allowed} but ${listed(shortened(deny))}`;
}

function shortened(subjects: string[]): string[] {
  const most = 3;
  return subjects.length <= most + 1 ? subjects : [...subjects.slice(0, most), `${subjects.length - most} more`];
}

/** clock leaves out seconds that are 0. */
function clock(time: string): string {
  return time.replace(/:00$/, "");
}

function listed(items: string[]): string {
  return new Intl.ListFormat("en", { type: "conjunction" }).format(items);
}
