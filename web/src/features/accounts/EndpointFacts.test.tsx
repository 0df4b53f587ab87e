import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Endpoints } from "../../api/accounts";
import { show } from "../../testing";
import { EndpointFacts } from "./EndpointFacts";
import { transports, websocketFor } from "./endpoints";

const none: Endpoints = {
  nats: [],
  tls: [],
  tls_first: [],
  tls_first_only: [],
  websocket: [],
  ws: [],
  wss: [],
  mqtt: [],
  mqtts: [],
  mqtt_ws: [],
  mqtt_wss: [],
  leafnode: [],
  leafnode_tls: [],
  leafnode_ws: [],
  leafnode_wss: [],
  ca_pem: null,
};

const both: Endpoints = {
  ...none,
  nats: ["nats://a:4222", "tls://a:4222"],
  tls: ["tls://a:4222"],
  tls_first: ["tls://a:4222"],
  websocket: ["ws://a:9222", "wss://a:9223"],
  ws: ["ws://a:9222"],
  wss: ["wss://a:9223"],
  leafnode: ["nats-leaf://a:7422"],
  ca_pem: "-----BEGIN CERTIFICATE-----\n",
};

afterEach(() => vi.restoreAllMocks());

it("shows plain and encrypted URLs apart, and what is not offered", async () => {
  await show(<EndpointFacts endpoints={both} />);
  const value = (name: string) => within(screen.getByText(name, { selector: "dt" }).parentElement as HTMLElement);
  value("WebSocket (ws)").getByText("ws://a:9222");
  value("WebSocket with TLS (wss)").getByText("wss://a:9223");
  value("NATS with TLS").getByText("also TLS handshake first");
  value("Leaf node").getByRole("button", { name: "Copy Leaf node URL" });
  value("Not offered").getByText(
    "MQTT, MQTT with TLS, MQTT over WebSocket, Leaf node with TLS, Leaf node over WebSocket",
  );
});

it("hands out the authority, where there is one", async () => {
  const made = vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:1");
  await show(<EndpointFacts endpoints={both} />);
  await userEvent.click(screen.getByRole("button", { name: "Download ca.pem" }));
  const [file] = made.mock.calls[0] as [Blob];
  expect(await file.text()).toBe(both.ca_pem);
});

it("has nothing to hand out where clients know the authority", async () => {
  await show(<EndpointFacts endpoints={{ ...both, ca_pem: null }} />);
  expect(screen.queryByRole("button", { name: "Download ca.pem" })).toBeNull();
});

describe("what a client is told to use", () => {
  it("is wss for a page that came over HTTPS", () => {
    expect(websocketFor(both, "https:")).toBe("wss://a:9223");
    expect(websocketFor(both, "http:")).toBe("ws://a:9222");
    expect(websocketFor({ ...both, ws: [] }, "http:")).toBe("wss://a:9223");
  });

  it("is TLS handshake first only where nothing else is taken", () => {
    expect(transports(both).tls).toEqual({ urls: ["tls://a:4222"], caFile: "ca.pem", tlsFirst: false });
    expect(transports({ ...both, tls_first_only: both.tls }).tls?.tlsFirst).toBe(true);
    expect(transports(none)).toEqual({ plain: undefined, tls: undefined });
  });
});
