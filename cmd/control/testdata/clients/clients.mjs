// Drives clients that are not ours for the tests. Each line of standard input is
// a request {id, do, client, …}; each is answered by a line {id, …} or {id, error}.
// Lines without an id tell what happened to a client: {client, event, …}.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import mqtt from "mqtt";
import * as overTCP from "@nats-io/transport-node";
import WebSocket from "ws";
import { again, open } from "./nats.mjs";

// nats.ws looks for the WebSocket of browsers, which Node 20 has not. Whether it
// offers compression goes by the port, since nats.ws makes up its URLs itself.
const compressing = new Set();
globalThis.WebSocket = class extends WebSocket {
  constructor(url) {
    super(url, { perMessageDeflate: compressing.has(new URL(url).port) });
  }
};
const overWebSocket = await import("nats.ws");

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const kinds = {
  "transport-node": (request, tell) => open(overTCP, request, tell),
  "nats.ws": (request, tell) => {
    if (request.compress) compressing.add(new URL(request.url).port);
    return open(overWebSocket, request, tell);
  },
  "mqtt.js": openMQTT,
  chromium: openInBrowser,
};

const clients = new Map();

async function perform(request) {
  if (request.do === "connect") {
    const tell = (event) => print({ client: request.client, ...event });
    clients.set(request.client, await kinds[request.kind](request, tell));
    return {};
  }
  return (await clients.get(request.client)[request.do](request)) ?? {};
}

async function openMQTT(request, tell) {
  const client = mqtt.connect(request.url, {
    clientId: request.client_id ?? request.client,
    username: request.username ?? "thing",
    password: request.jwt,
    clean: request.clean ?? true,
    reconnectPeriod: 0,
    connectTimeout: 20_000,
    will: request.will && { ...request.will, payload: Buffer.from(request.will.payload) },
  });
  const waiting = new Map();
  // What waits in a session comes with the answer to CONNECT: it must find a listener.
  client.on("message", (topic, payload, packet) => {
    waiting.get(topic)?.(payload.toString());
    tell({ event: "message", topic, data: payload.toString(), qos: packet.qos, retain: packet.retain });
  });
  client.on("close", () => tell({ event: "closed" }));
  await new Promise((resolve, reject) => {
    client.once("connect", resolve);
    client.on("error", reject);
    client.once("close", () => reject(new Error("the connection was closed")));
  });
  return {
    async exchange({ topic, data }) {
      const answer = new Promise((resolve) => waiting.set(`back/${topic}`, resolve));
      await client.subscribeAsync(`back/${topic}`, { qos: 0 });
      const ask = () => client.publish(`ask/${topic}`, data);
      const asking = setInterval(ask, again);
      ask();
      return answer.finally(() => clearInterval(asking)).then((data) => ({ data }));
    },
    async subscribe({ topic, qos }) {
      const [granted] = await client.subscribeAsync(topic, { qos });
      return { qos: granted.qos };
    },
    async publish({ topic, data, qos, retain }) {
      await client.publishAsync(topic, data, { qos, retain });
    },
    async close() {
      await client.endAsync();
    },
    /** drop ends the connection without a word, as a device does that loses its power. */
    async drop() {
      client.stream.destroy();
    },
  };
}

let browser;
const pages = new Map(); // by the port of their origin; each has any number of clients

async function openInBrowser(request) {
  const port = request.port ?? 0;
  if (!pages.has(port)) pages.set(port, openPage(port));
  const page = await pages.get(port);
  const evaluate = (what) => page.evaluate((it) => window.perform(it), what);
  await evaluate(request);
  const acts = ["exchange", "subscribe", "publish", "close"];
  return Object.fromEntries(acts.map((act) => [act, evaluate]));
}

async function openPage(port) {
  browser ??= startBrowser();
  const { chromium, script } = await browser;
  const site = await serve(port, script);
  const page = await chromium.newPage();
  await page.exposeFunction("tell", print);
  await page.goto(site);
  return page;
}

async function startBrowser() {
  const { chromium } = await import("playwright-core");
  const page = fileURLToPath(new URL("page.mjs", import.meta.url));
  const bundle = await build({ entryPoints: [page], bundle: true, write: false, format: "esm", platform: "browser" });
  return {
    script: bundle.outputFiles[0].text,
    chromium: await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        // The one key that the tests' servers have: a browser takes no authority from a variable.
        `--ignore-certificate-errors-spki-list=${process.env.SERVER_KEY_HASH}`,
      ],
    }),
  };
}

/** serve answers the URL of a page with the script, whose origin has that port. */
async function serve(port, script) {
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(
      isScript ? script : `<!doctype html><title>Client</title><script type="module" src="/page.js"></script>`,
    );
  });
  server.unref();
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}/`;
}

process.on("unhandledRejection", (why) => process.stderr.write(`unhandled: ${why?.stack ?? why}\n`));

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const request = JSON.parse(line);
  perform(request).then(
    (result) => print({ id: request.id, ...result }),
    (why) => print({ id: request.id, error: String(why?.message ?? why) || "failed" }),
  );
});
input.on("close", async () => {
  if (browser) await (await browser).chromium.close();
  process.exit(0);
});
