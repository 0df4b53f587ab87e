import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import type { Browser, Page, WebSocket } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { build } from "vite";
import { launch, signUp, url, visit } from "./browser";
import { repository } from "./stack";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** openConsole signs somebody up and connects the page of their account. */
async function openConsole(page: Page): Promise<{ account: string; sockets: WebSocket[] }> {
  await signUp(page);
  const account = /acc_\w+/.exec(page.url())?.[0] ?? "";
  const sockets: WebSocket[] = [];
  page.on("websocket", (socket) => sockets.push(socket));
  await page.getByRole("link", { name: "Console" }).click();
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText(/Connected to dev as ada\./).waitFor();
  return { account, sockets };
}

async function say(page: Page, text: string) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByRole("list", { name: "Messages" }).getByText(text).waitFor();
}

/** websocketOf is where the account's pages connect. */
async function websocketOf(page: Page, account: string): Promise<string> {
  const answer = await page.request.get(`/v1/accounts/${account}/endpoints`);
  const { ws } = (await answer.json()) as { ws: string[] };
  return ws[0] ?? "";
}

/** knock opens a WebSocket from a page and says how that went. */
function knock(page: Page, to: string): Promise<string> {
  return page.evaluate(
    (address) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(address);
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
      }),
    to,
  );
}

/** elsewhere serves an empty page from another port of the same host, which to cookies is the same site. */
async function elsewhere(): Promise<{ server: Server; origin: string }> {
  const server = createServer((_, response) =>
    response.setHeader("Content-Type", "text/html").end("<title>Elsewhere</title>"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("a listener without a port");
  return { server, origin: `http://127.0.0.1:${address.port}` };
}

test("a page publishes and subscribes without ever holding a secret, and renewing the cookie breaks nothing", async () => {
  const { context, page, complaints } = await visit(browser);
  const bodies: Promise<string>[] = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname.startsWith("/v1/")) bodies.push(response.text().catch(() => ""));
  });
  const { sockets } = await openConsole(page);
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("Subscribed to hello.>").waitFor();
  await say(page, "from this page");

  const cookieNow = async () => (await context.cookies()).find(({ name }) => name === "signalbox_console");
  const first = await cookieNow();
  expect(first).toMatchObject({ httpOnly: true, sameSite: "Strict", path: "/" });
  expect(await page.evaluate(() => document.cookie)).toBe("");
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  expect(kept).not.toContain("eyJ");

  // Past the first JWT and the second: the connection has not noticed.
  const life = ((first?.expires ?? 0) - Date.now() / 1000) * 1000;
  expect(life).toBeLessThan(10_000);
  await expect.poll(() => Date.now() / 1000, { timeout: 30_000 }).toBeGreaterThan((first?.expires ?? 0) + 5);
  await say(page, "past its expiry");
  expect((await cookieNow())?.value).not.toBe(first?.value);
  expect(sockets.length).toBe(1);
  expect(sockets[0]?.isClosed()).toBe(false);
  expect((await Promise.all(bodies)).join("")).not.toContain("eyJ");
  expect(complaints).toEqual([]);
  await context.close();
});

test("logging out in another tab closes the connection within a second", async () => {
  const { context, page } = await visit(browser);
  const { sockets } = await openConsole(page);
  const closed = sockets[0]?.waitForEvent("close");
  const start = Date.now();
  expect((await page.request.delete("/v1/sessions/current")).status()).toBe(204);
  await closed;
  expect(Date.now() - start).toBeLessThan(1_000);
  await page.waitForURL(/\/log-in/);
  await context.close();
});

test("a page of another origin cannot use the cookie, though it is of the same site", async () => {
  const { context, page } = await visit(browser);
  const { account } = await openConsole(page);
  const address = await websocketOf(page, account);
  const { server, origin } = await elsewhere();
  try {
    const other = await context.newPage();
    const said: string[] = [];
    other.on("console", (message) => said.push(message.text()));
    await other.goto(origin);
    expect(await knock(page, address)).toBe("open");
    expect(await knock(other, address)).toBe("refused");
    expect(said.join("\n")).toContain("Unexpected response code: 403");
    const started = await other.evaluate(
      (api) =>
        fetch(api, { method: "POST", credentials: "include" }).then(
          (answer) => answer.status,
          () => "refused",
        ),
      `${url}/v1/accounts/${account}/console-session`,
    );
    expect(started).toBe("refused");
  } finally {
    server.close();
  }
  await context.close();
});

test("the page of docs/browser.md works as it stands there", async () => {
  // Scripts of a page come from Signalbox only; this one is the test's.
  const { context, page, complaints } = await visit(browser, { bypassCSP: true });
  await signUp(page);
  const account = /acc_\w+/.exec(page.url())?.[0] ?? "";
  const document = await readFile(join(repository, "docs/browser.md"), "utf8");
  const program = /^```js\n([\s\S]*?)^```$/m.exec(document)?.[1] ?? "";
  const script = await bundle(program.replace("acc_01jd3zq4y6e8r9tq2m5n7p8s0v", account));
  await page.addScriptTag({ type: "module", content: script });
  await expect
    .poll(async () => [await page.title(), ...complaints], { timeout: 20_000 })
    .toEqual(["from a page without a secret"]);
  await context.close();
});

/** bundle makes one script of a program and what it imports. */
async function bundle(program: string): Promise<string> {
  const entry = "virtual:example";
  const result = await build({
    configFile: false,
    logLevel: "silent",
    root: join(repository, "web"),
    build: { write: false, target: "esnext", rollupOptions: { input: entry, output: { format: "es" } } },
    plugins: [
      {
        name: "example",
        resolveId: (id) => (id === entry ? join(repository, "web/example.js") : undefined),
        load: (id) => (id === join(repository, "web/example.js") ? program : undefined),
      },
    ],
  });
  const outputs = Array.isArray(result) ? result : [result];
  for (const output of outputs) {
    if ("output" in output) return output.output[0].code;
  }
  throw new Error("vite built nothing");
}
