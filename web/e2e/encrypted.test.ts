import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCreds, launch, pickLanguage, signUp, snippet, visit } from "./browser";
import { repository } from "./stack";

const run = promisify(execFile);

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

test("the programs run over TLS as they stand on the page, with the authority that the page hands out", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  await page.getByRole("radiogroup", { name: "Transport" }).getByText("With TLS").click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download ca.pem" }).click(),
  ]);
  expect(download.suggestedFilename()).toBe("ca.pem");
  const creds = await createCreds(page);
  expect(await snippet(page, "cli")).toMatch(/--server tls:\S+ --tlsca ca\.pem/);
  // Below web, so that node finds its node_modules.
  const folder = await mkdtemp(join(repository, "web", ".e2e-"));
  try {
    await writeFile(join(folder, "ca.pem"), await readFile(await download.path()));
    await writeFile(join(folder, creds.name), creds.content, { mode: 0o600 });
    await pickLanguage(page, "Go");
    await writeFile(join(folder, "main.go"), await snippet(page, "go"));
    await run("go", ["build", "-o", join(folder, "hello"), join(folder, "main.go")], { cwd: repository });
    expect((await run(join(folder, "hello"), [], { cwd: folder })).stdout).toContain("hello from Go, 3 of 3");
    await pickLanguage(page, "JavaScript");
    await writeFile(join(folder, "hello.mjs"), await snippet(page, "javascript"));
    const { stdout } = await run(process.execPath, ["hello.mjs"], { cwd: folder });
    expect(stdout).toContain("hello from JavaScript, 3 of 3");
  } finally {
    await rm(folder, { recursive: true });
  }
  expect(complaints).toEqual([]);
  await context.close();
});

test("the overview shows ws and wss apart", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  await page
    .getByRole("navigation", { name: /^Pages of/ })
    .getByRole("link", { name: "Overview" })
    .click();
  await page.getByText(/^ws:\/\/127\.0\.0\.1:\d+$/).waitFor();
  await page.getByText(/^wss:\/\/127\.0\.0\.1:\d+$/).waitFor();
  await page.getByRole("button", { name: "Copy WebSocket with TLS (wss) URL" }).waitFor();
  await page.getByRole("button", { name: "Download ca.pem" }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
