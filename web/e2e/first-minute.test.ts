import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCreds, type CredsFile, launch, pickLanguage, signUp, snippet, visit } from "./browser";
import { repository } from "./stack";

const run = promisify(execFile);

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** folderWith makes a folder that holds the creds file under its own name. */
async function folderWith(creds: CredsFile, parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, ".e2e-"));
  await writeFile(join(folder, creds.name), creds.content, { mode: 0o600 });
  return folder;
}

test("a newcomer gets creds that an ordinary client connects with, and sees it connect", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  const creds = await createCreds(page);
  expect(creds.name).toMatch(/nats-cli\.creds$/);
  expect(creds.content).toContain("BEGIN NATS USER JWT");
  await page.getByText("Waiting for your first connection…").waitFor();

  const commands = await snippet(page, "cli");
  expect(commands).toContain(`--creds ${creds.name} sub hello`);
  const server = /--server (\S+)/.exec(commands)?.[1];
  const nc = await connect({
    tls: null, // it would have to know the authority
    servers: server,
    name: "e2e",
    authenticator: credsAuthenticator(new TextEncoder().encode(creds.content)),
  });
  await page.getByText(/Connected from 127\.0\.0\.1 over NATS/).waitFor();
  await nc.close();
  expect(complaints).toEqual([]);
  await context.close();
});

test("the same creds work over WebSocket from the browser", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  await createCreds(page);
  await page.getByRole("button", { name: "Try it in this browser" }).click();
  await page.getByText("“hello from this browser”").waitFor();
  await page.getByText(/Connected from .* over WebSocket/).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("the Go program runs as it stands on the page", async () => {
  const { context, page } = await visit(browser);
  await signUp(page);
  await pickLanguage(page, "Go");
  const creds = await createCreds(page);
  const folder = await folderWith(creds);
  try {
    await writeFile(join(folder, "main.go"), await snippet(page, "go"));
    // Built where go.mod has nats.go, run where the creds file is.
    await run("go", ["build", "-o", join(folder, "hello"), join(folder, "main.go")], { cwd: repository });
    const seen = page.getByText(/Connected from .* over NATS/).waitFor();
    const { stdout } = await run(join(folder, "hello"), [], { cwd: folder });
    expect(stdout).toContain("Received on hello: hello from Go, 1 of 3");
    expect(stdout).toContain("3 of 3");
    await seen;
  } finally {
    await rm(folder, { recursive: true });
  }
  await context.close();
});

test("the JavaScript program runs as it stands on the page", async () => {
  const { context, page } = await visit(browser);
  await signUp(page);
  await pickLanguage(page, "JavaScript");
  const creds = await createCreds(page);
  // Below web, so that node finds its node_modules.
  const folder = await folderWith(creds, join(repository, "web"));
  try {
    await writeFile(join(folder, "hello.mjs"), await snippet(page, "javascript"));
    const seen = page.getByText(/Connected from .* over NATS/).waitFor();
    const { stdout } = await run(process.execPath, ["hello.mjs"], { cwd: folder });
    expect(stdout).toContain("Received on hello: hello from JavaScript, 1 of 3");
    expect(stdout).toContain("3 of 3");
    await seen;
  } finally {
    await rm(folder, { recursive: true });
  }
  await context.close();
});

test("the creds are gone from the page once it has been left", async () => {
  const { context, page } = await visit(browser);
  await signUp(page);
  const creds = await createCreds(page);
  const seed = /SU[A-Z0-9]{56}/.exec(creds.content)?.[0];
  expect(seed).toBeTruthy();
  await page.getByRole("link", { name: "Users" }).click();
  await page.getByRole("link", { name: "nats-cli" }).waitFor();
  await page.getByRole("link", { name: "Connect", exact: true }).click();
  await page.getByRole("button", { name: "Create creds" }).waitFor();
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]));
  expect(kept).not.toContain(seed);
  expect(await page.content()).not.toContain(seed);
  await context.close();
});
