// The browser's side: @nats-io/nats-core as any page would use it.
import { credsAuthenticator, wsconnect } from "@nats-io/nats-core";
import { open } from "./nats.mjs";

const clients = new Map();

window.perform = async (request) => {
  const tell = (event) => window.tell({ client: request.client, ...event });
  if (request.do === "connect") {
    clients.set(request.client, await open({ connect: wsconnect, credsAuthenticator }, request, tell));
    return {};
  }
  return (await clients.get(request.client)[request.do](request)) ?? {};
};
