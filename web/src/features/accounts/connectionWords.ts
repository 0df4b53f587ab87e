import type { Connection } from "../../api/accounts";

const protocolNames: Record<string, string> = {
  nats: "NATS",
  websocket: "WebSocket",
  mqtt: "MQTT",
};

export function protocolName(clientType: string): string {
  return protocolNames[clientType] ?? clientType;
}

const connectionTypeNames: Record<string, string> = {
  STANDARD: "NATS",
  WEBSOCKET: "WebSocket",
  LEAFNODE: "Leaf node",
  LEAFNODE_WS: "Leaf node over WebSocket",
  MQTT: "MQTT",
  MQTT_WS: "MQTT over WebSocket",
  IN_PROCESS: "In process",
};

/** connectionTypeName is for people; "" for what is no known type. */
export function connectionTypeName(type: string): string {
  return connectionTypeNames[type] ?? type;
}

/** clientWords says which library a client runs: "Go 1.55.0"; "" when it did not say. */
export function clientWords({ language, version }: Connection): string {
  const names: Record<string, string> = { go: "Go", python3: "Python", "nats.js": "JavaScript", "nats.ws": "Browser" };
  return [names[language] ?? language, version].filter(Boolean).join(" ");
}
