import type { Endpoints } from "../../api/accounts";

/** endpointRows are what is offered, each transport by itself. */
export function endpointRows(endpoints: Endpoints): [name: string, urls: string[]][] {
  const plain = (urls: string[], scheme: string) => urls.filter((url) => url.startsWith(`${scheme}://`));
  return [
    ["NATS", plain(endpoints.nats, "nats")],
    ["NATS with TLS", endpoints.tls],
    ["WebSocket (ws)", endpoints.ws],
    ["WebSocket with TLS (wss)", endpoints.wss],
    ["MQTT", plain(endpoints.mqtt, "mqtt")],
    ["MQTT with TLS", endpoints.mqtts],
    ["MQTT over WebSocket", [...endpoints.mqtt_ws, ...endpoints.mqtt_wss]],
    ["Leaf node", endpoints.leafnode.filter((url) => !endpoints.leafnode_tls.includes(url))],
    ["Leaf node with TLS", endpoints.leafnode_tls],
    ["Leaf node over WebSocket", [...endpoints.leafnode_ws, ...endpoints.leafnode_wss]],
  ];
}

/** websocketFor is the URL for a client in a page: one that came over HTTPS may use wss only. */
export function websocketFor(endpoints: Endpoints, pageProtocol: string): string | undefined {
  const [ws] = endpoints.ws;
  const [wss] = endpoints.wss;
  return pageProtocol === "https:" ? (wss ?? ws) : (ws ?? wss);
}

export type Transport = {
  urls: string[];
  /** The file of the authority that the client must be told to trust; undefined where it knows it, or nothing is encrypted. */
  caFile?: string;
  /** The client has to begin with the TLS handshake. */
  tlsFirst?: boolean;
};

const seeds = 3; // URLs that a snippet names: the client hears of the others

/** transports are the ways of a NATS client, plain and encrypted, that are offered. */
export function transports(endpoints: Endpoints): { plain?: Transport; tls?: Transport } {
  const plain = endpoints.nats.filter((url) => !endpoints.tls.includes(url)).slice(0, seeds);
  const ordinary = endpoints.tls.filter((url) => !endpoints.tls_first_only.includes(url));
  const tlsFirst = ordinary.length === 0;
  const tls = (tlsFirst ? endpoints.tls : ordinary).slice(0, seeds);
  const caFile = endpoints.ca_pem === null ? undefined : authorityFile;
  return {
    plain: plain.length > 0 ? { urls: plain } : undefined,
    tls: tls.length > 0 ? { urls: tls, caFile, tlsFirst } : undefined,
  };
}

/** authorityFile is what the downloaded authority is called, and what snippets call it. */
export const authorityFile = "ca.pem";
