import { readFile } from "node:fs/promises";
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCreds, launch, signUp, snippet, visit } from "./browser";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

async function dial(server: string | undefined, creds: string): Promise<NatsConnection> {
  return connect({
    tls: null, // it would have to know the authority
    servers: server,
    name: "e2e service",
    reconnect: false,
    authenticator: credsAuthenticator(new TextEncoder().encode(creds)),
  });
}

async function serverOf(page: Page): Promise<string | undefined> {
  return /--server (\S+)/.exec(await snippet(page, "cli"))?.[1];
}

function tab(page: Page, name: string) {
  return page.getByRole("navigation", { name: /^Pages of/ }).getByRole("link", { name, exact: true });
}

test("creds are rotated with overlap: the old client works until the first is revoked, the new one goes on", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  const server = await serverOf(page);
  const first = await dial(server, (await createCreds(page)).content);
  const closed = first.closed();

  await tab(page, "Users").click();
  await page.getByRole("link", { name: "nats-cli" }).click();
  const drawer = page.getByRole("dialog", { name: "User nats-cli" });
  await drawer.getByText("1 client now").waitFor();
  await drawer.getByRole("button", { name: "Rotate Connect page" }).click();
  const dialog = page.getByRole("dialog", { name: "Rotate Connect page" });
  await dialog.getByRole("button", { name: "Issue creds" }).click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    dialog.getByRole("button", { name: "Download" }).click(),
  ]);
  await dialog.getByRole("button", { name: "Next: roll it out" }).click();
  await dialog.getByText("The first is still used by 1 client").waitFor();
  const second = await dial(server, await readFile(await download.path(), "utf8"));
  await dialog.getByText("The second is used by 1 client").waitFor();
  expect(first.isClosed()).toBe(false);
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await closed;
  await dialog.getByText("Nobody uses the first now").waitFor();
  expect(second.isClosed()).toBe(false);
  await second.close();
  expect(complaints).toEqual([]);
  await context.close();
});

test("suspending closes the connection and says so before; resuming lets the client in again", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  const server = await serverOf(page);
  const creds = (await createCreds(page)).content;
  const nc = await dial(server, creds);
  const closed = nc.closed();
  await tab(page, "Settings").click();
  await page.getByRole("button", { name: "Suspend account" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Closes 1 of 1 connection on 1 broker.").waitFor();
  await dialog.getByLabel("Reason").fill("Invoice open");
  await dialog.getByRole("button", { name: "Suspend account" }).click();
  await page.getByText("This account is suspended").waitFor();
  await page.getByText(/Invoice open/).waitFor();
  await closed;
  await page.getByText("In force on every broker").waitFor();
  await expect(dial(server, creds)).rejects.toThrow();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("This account is suspended").waitFor({ state: "detached" });
  const again = await dialUntilIn(server, creds);
  await again.close();
  expect(complaints).toEqual([]);
  await context.close();
});

/** dialUntilIn tries until the brokers have heard that the account is resumed. */
async function dialUntilIn(server: string | undefined, creds: string): Promise<NatsConnection> {
  let nc: NatsConnection | undefined;
  await expect
    .poll(
      async () => {
        nc = await dial(server, creds).catch(() => undefined);
        return nc !== undefined;
      },
      { timeout: 5_000 },
    )
    .toBe(true);
  if (!nc) throw new Error("not let in");
  return nc;
}

test("a user is moved to a role, the preview says whom it closes, and the simulator agrees with what then holds", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  const nc = await dial(await serverOf(page), (await createCreds(page)).content);
  await tab(page, "Roles").click();
  await page.getByRole("link", { name: "Create role" }).click();
  const editor = page.getByRole("dialog", { name: "Create role" });
  await editor.getByLabel("Name").fill("sensor");
  await editor.getByRole("radiogroup", { name: "May publish to" }).getByLabel("Only these subjects").check();
  const subjects = editor.getByRole("combobox", { name: "Subjects it may publish to" });
  await subjects.fill("devices.{{name()}}.>");
  await subjects.press("Enter");
  await editor.getByText("devices.nats-cli.>").waitFor();
  await editor.getByRole("button", { name: "Create role" }).click();
  await editor.waitFor({ state: "detached" });

  await tab(page, "Users").click();
  await page.getByRole("link", { name: "nats-cli" }).click();
  const drawer = page.getByRole("dialog", { name: "User nats-cli" });
  await drawer.getByRole("button", { name: "Edit or move to another role" }).click();
  await drawer.getByRole("combobox", { name: "Role" }).click();
  await page.getByRole("option", { name: "sensor" }).click();
  await drawer.getByRole("button", { name: "Preview what this does" }).click();
  await drawer.getByText("Closes 1 of 1 connection on 1 broker.").waitFor();
  expect(nc.isClosed()).toBe(false);
  const closed = nc.closed();
  await drawer.getByRole("button", { name: "Save user" }).click();
  await drawer.getByText("In force on every broker").waitFor();
  await closed;

  await drawer.getByRole("button", { name: "Close" }).last().click();
  await drawer.getByRole("link", { name: "May this user …?" }).click();
  await page.getByLabel("Subject").fill("orders.new");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.getByText("nats-cli may not publish to orders.new over NATS").waitFor();
  await page.getByLabel("Subject").fill("devices.nats-cli.up");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.getByText("nats-cli may publish to devices.nats-cli.up over NATS").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("creds for many users come as one archive, and the plan's word on too many lands on the field", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  await tab(page, "Users").click();
  await page.getByRole("button", { name: "Issue to many" }).click();
  const dialog = page.getByRole("dialog", { name: "Issue creds to many users" });
  await dialog.getByLabel("How many").fill("20000");
  await dialog.getByRole("button", { name: "Issue 20,000 files" }).click();
  await dialog.locator("[aria-invalid=true]").waitFor();
  expect(await dialog.getByLabel("How many").getAttribute("aria-invalid")).toBe("true");
  await dialog.getByLabel("How many").fill("25");
  await dialog.getByRole("button", { name: "Issue 25 files" }).click();
  await dialog.getByText("All issued").waitFor();
  await dialog.getByText("25 of 25").waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    dialog.getByRole("button", { name: "Download zip" }).click(),
  ]);
  const archive = await readFile(await download.path());
  expect(archive.toString("latin1").match(/BEGIN NATS USER JWT/g)).toHaveLength(25);
  await dialog.getByRole("button", { name: "Done" }).click();
  await tab(page, "Creds").click();
  await page
    .getByRole("link", { name: /^device-/ })
    .first()
    .waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("mappings are edited with their weights", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  await tab(page, "Settings").click();
  await page.getByRole("button", { name: "Add a mapping" }).click();
  await page.getByLabel("Messages published to").fill("orders");
  await page.getByLabel("Mapping 1, destination 1: subject").fill("orders.v1");
  await page.getByRole("button", { name: "Add a destination" }).click();
  await page.getByLabel("Mapping 1, destination 2: subject").fill("orders.v2");
  await page.getByLabel("Mapping 1, destination 2: weight").fill("20");
  await page.getByText("Weights: 120 of 100: too much").waitFor();
  await page.getByRole("button", { name: "Save mappings" }).click();
  await page
    .getByRole("form", { name: "Subject mappings" })
    .locator("[aria-invalid=true], [role=alert]")
    .first()
    .waitFor();
  await page.getByLabel("Mapping 1, destination 1: weight").fill("80");
  await page.getByRole("button", { name: "Save mappings" }).click();
  await page.getByRole("form", { name: "Subject mappings" }).getByText("In force on every broker").waitFor();
  await page.reload();
  await page.getByText("Weights: 100 of 100").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
