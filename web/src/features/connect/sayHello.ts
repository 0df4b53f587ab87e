import { credsAuthenticator, wsconnect } from "@nats-io/nats-core";

const patience = 5_000;
const subject = "hello";
const stayConnected = 2_500;

/**
 * sayHello publishes to `hello` and answers the message as it came back through the broker, and how long that took.
 * It stays connected a moment longer, for the page that polls for connections to see it.
 */
export async function sayHello(url: string, creds: string) {
  const nc = await wsconnect({
    servers: url,
    name: "this browser",
    timeout: patience,
    reconnect: false,
    authenticator: credsAuthenticator(new TextEncoder().encode(creds)),
  });
  try {
    const sub = nc.subscribe(subject, { max: 1, timeout: patience });
    // The broker knows of the subscription before anything is published.
    await nc.flush();
    const sent = performance.now();
    nc.publish(subject, "hello from this browser");
    for await (const msg of sub) {
      const milliseconds = Math.max(1, Math.round(performance.now() - sent));
      return { subject: msg.subject, text: msg.string(), milliseconds };
    }
    throw new Error("The connection closed before the message came back.");
  } finally {
    setTimeout(() => void nc.close(), stayConnected);
  }
}
