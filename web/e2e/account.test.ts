import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCreds, type CredsFile, launch, newEmail, password, signUp, snippet, visit } from "./browser";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** dial connects as a service would, except that it does not hide a refusal behind retries. */
async function dial(page: Page, creds: CredsFile): Promise<NatsConnection> {
  return connect({
    tls: null, // it would have to know the authority
    servers: await serverOf(page),
    name: "e2e service",
    reconnect: false,
    authenticator: credsAuthenticator(new TextEncoder().encode(creds.content)),
  });
}

let server: string | undefined;

async function serverOf(page: Page): Promise<string | undefined> {
  server ??= /--server (\S+)/.exec(await snippet(page, "cli"))?.[1];
  return server;
}

test("revoking closes the live connection, the client cannot return, and the page shows the brokers confirming", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  const creds = await createCreds(page);
  const nc = await dial(page, creds);
  const closed = nc.closed();

  await page.getByRole("link", { name: "Users" }).click();
  await page.getByRole("link", { name: "nats-cli" }).click();
  const drawer = page.getByRole("dialog", { name: "User nats-cli" });
  await drawer.getByRole("button", { name: "Revoke Connect page" }).click();
  const dialog = page.getByRole("dialog", { name: "Revoke Connect page?" });
  await dialog.getByText("Closes 1 connection on 1 broker.").waitFor();
  await dialog.getByLabel("Reason").fill("laptop lost");
  await dialog.getByRole("button", { name: "Revoke" }).click();

  await dialog.getByText("In force on every broker").waitFor();
  await dialog.getByText("1 connection closed").waitFor();
  await closed;
  await expect(dial(page, creds)).rejects.toThrow(/authorization|revoked/i);

  await dialog.getByRole("button", { name: "Done" }).click();
  await drawer.getByText("laptop lost").waitFor();
  await drawer.getByRole("button", { name: "Close" }).click();
  // The client heard "Authorization Violation"; its owner can read why.
  await page.getByRole("link", { name: "Connections", exact: true }).click();
  const refused = page.getByRole("table", { name: "Refused logins" });
  await refused.getByText("The credential was revoked. Issue another one.").waitFor();
  await refused.getByRole("link", { name: "nats-cli" }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("a user is made with creds of a role, and editing the role changes what those creds may do", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  await serverOf(page);

  await page.getByRole("link", { name: "Roles" }).click();
  await page.getByRole("link", { name: "Create role" }).click();
  const editor = page.getByRole("dialog", { name: "Create role" });
  await editor.getByLabel("Name").fill("sensor");
  const publish = editor.getByRole("radiogroup", { name: "May publish to" });
  await publish.getByLabel("Only these subjects").check();
  const subjects = editor.getByRole("combobox", { name: "Subjects it may publish to" });
  await subjects.fill("readings..x");
  await subjects.press("Enter");
  await editor.getByRole("button", { name: "Create role" }).click();
  // The server's word on the wrong subject lands on the field that has it.
  await editor.getByText(/“readings\.\.x”/).waitFor();
  await subjects.press("Backspace");
  await subjects.fill("readings.>");
  await subjects.press("Enter");
  await editor.getByRole("button", { name: "Create role" }).click();
  await editor.waitFor({ state: "detached" });
  await page.getByText(/Can publish to readings\.>/).waitFor();

  await page.getByRole("link", { name: "Users" }).click();
  await page.getByRole("button", { name: "Create user" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("User name").fill("probe");
  await dialog.getByRole("combobox", { name: "Role" }).click();
  await page.getByRole("option", { name: "sensor" }).click();
  await dialog.getByRole("button", { name: "Create user and issue creds" }).click();
  const shown = dialog.getByTestId("creds");
  await shown.waitFor();
  const creds = { name: "probe.creds", content: (await shown.textContent()) ?? "" };
  await dialog.getByRole("button", { name: "QR code" }).click();
  await dialog.getByRole("img", { name: /QR code of/ }).waitFor();
  // Not saved: closing asks first.
  await dialog.getByRole("button", { name: "Done" }).click();
  await dialog.getByText("You have not saved this file").waitFor();
  await dialog.getByRole("button", { name: "Close without saving" }).click();
  await page.getByRole("dialog", { name: "User probe" }).waitFor();

  const nc = await dial(page, creds);
  const heard = nc.subscribe("readings.1", { max: 1 });
  nc.publish("readings.1", "21.5");
  for await (const msg of heard) expect(msg.string()).toBe("21.5");
  const refused = refusal(nc);
  nc.publish("alarms.1", "hot");
  expect(await refused).toMatch(/alarms\.1/);

  await page.getByRole("dialog", { name: "User probe" }).getByRole("link", { name: "sensor" }).click();
  const role = page.getByRole("dialog", { name: "Role sensor" });
  const more = role.getByRole("combobox", { name: "Subjects it may publish to" });
  await more.fill("alarms.>");
  await more.press("Enter");
  await role.getByRole("button", { name: "Save role" }).click();
  await role.getByText("In force on every broker").waitFor();
  const allowed = await dial(page, creds);
  const alarms = allowed.subscribe("alarms.1", { max: 1 });
  allowed.publish("alarms.1", "hot");
  for await (const msg of alarms) expect(msg.string()).toBe("hot");
  await allowed.close();
  await nc.close();
  expect(complaints).toEqual([]);
  await context.close();
});

/** refusal is the next thing that the broker says this connection may not do. */
async function refusal(nc: NatsConnection): Promise<string> {
  for await (const status of nc.status()) {
    if (status.type === "error") return status.error.message;
  }
  return "";
}

test("logging out ends the session, and logging in returns to the page that was asked for", async () => {
  const { context, page, complaints } = await visit(browser);
  const email = await signUp(page);
  await page.getByRole("link", { name: "Settings" }).last().click();
  const settings = page.url();
  await page.getByRole("button", { name: new RegExp(`${email}.*log out`) }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await page.waitForURL(/\/log-in$/);

  await page.goto(settings);
  await page.waitForURL(/\/log-in\?return=/);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL(settings);
  await page.getByRole("heading", { name: "Limits" }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("another team's pages and accounts look like nothing at all", async () => {
  const ada = await visit(browser);
  await signUp(ada.page);
  const account = new URL(ada.page.url()).pathname.replace(/\/connect$/, "");
  await ada.page.goto("/");
  await ada.page.waitForURL(/\/t\/ten_/);
  const team = new URL(ada.page.url()).pathname;
  const eve = await visit(browser);
  await signUp(eve.page, newEmail(), "Eavesdroppers");
  for (const path of [account, `${account}/users`, team, `${team}/members`]) {
    await eve.page.goto(path);
    await eve.page.getByText("There is nothing here").waitFor();
    expect(await eve.page.content()).not.toContain("Analytical Engines");
  }
  await ada.context.close();
  await eve.context.close();
});

test("a session that ended elsewhere leads to log-in from wherever one is", async () => {
  const { context, page } = await visit(browser);
  await signUp(page);
  await context.clearCookies();
  await page.getByRole("link", { name: "Roles" }).click();
  await page.waitForURL(/\/log-in\?return=.*roles/);
  await context.close();
});

test("wrong fields of sign-up are named on the fields, in the server's words", async () => {
  const { context, page } = await visit(browser);
  await page.goto("/sign-up");
  await page.getByLabel("E-mail").fill("not an address");
  await page.getByLabel("Password").fill("short");
  await page.getByLabel("Name of your team").fill("Engines");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.locator("[aria-invalid=true]").first().waitFor();
  expect(await page.getByLabel("Password").getAttribute("aria-invalid")).toBe("true");
  await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("aria-invalid"))).toBe("true");
  await context.close();
});

test("sign-up to creds needs no mouse", async () => {
  const { context, page } = await visit(browser);
  await page.goto("/sign-up");
  // The first field has the focus.
  await page.getByLabel("E-mail").waitFor();
  await page.keyboard.type(newEmail());
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Tab");
  if ((await page.evaluate(() => document.activeElement?.tagName)) === "BUTTON") await page.keyboard.press("Tab");
  await page.keyboard.type("Keyboard Works");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/connect$/);
  const button = page.getByRole("button", { name: "Create creds" });
  await button.waitFor();
  for (let steps = 0; steps < 40; steps++) {
    if (await button.evaluate((element) => element === document.activeElement)) break;
    await page.keyboard.press("Tab");
  }
  const download = page.waitForEvent("download");
  await page.keyboard.press("Enter");
  await download;

  await page.keyboard.press("Control+k");
  const palette = page.getByRole("textbox", { name: "Find or do" });
  await palette.waitFor();
  await expect.poll(() => palette.evaluate((element) => element === document.activeElement)).toBe(true);
  await page.keyboard.type("members");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/members$/);
  await page.getByText("(you)").waitFor();
  await context.close();
});

test("an account is made, limited, deleted and restored", async () => {
  const { context, page, complaints } = await visit(browser);
  await signUp(page);
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Accounts" }).click();
  await page.getByRole("button", { name: "Create account" }).first().click();
  const drawer = page.getByRole("dialog", { name: "Create account" });
  await drawer.getByLabel("Name").fill("orders");
  await drawer.getByRole("button", { name: "Create account" }).click();
  await page.getByRole("heading", { name: "orders", level: 1 }).waitFor();

  await page.getByRole("link", { name: "Settings" }).last().click();
  await page.getByRole("textbox", { name: "Connections", exact: true }).fill("5");
  await page.getByRole("button", { name: "Save changes" }).click();
  await page.getByText("In force on every broker").waitFor();
  await page.getByRole("textbox", { name: "Connections", exact: true }).fill("99999999");
  await page.getByRole("button", { name: "Save changes" }).click();
  await page.locator("[aria-invalid=true]").first().waitFor();
  expect(await page.getByRole("textbox", { name: "Connections", exact: true }).getAttribute("aria-invalid")).toBe(
    "true",
  );

  await page.getByRole("button", { name: "Delete account" }).click();
  const confirm = page.getByRole("dialog", { name: "Delete orders?" });
  expect(await confirm.getByRole("button", { name: "Delete account" }).isEnabled()).toBe(false);
  await confirm.getByLabel(/to confirm/).fill("orders");
  await confirm.getByRole("button", { name: "Delete account" }).click();
  // Frozen, not gone: it can be had back until it is purged.
  await page.waitForURL(/\/deletion$/);
  await page.getByText("This account is being deleted").waitFor();
  await page.getByRole("button", { name: "Restore" }).click();
  await page.getByText("This account is being deleted").waitFor({ state: "detached" });
  await page
    .getByRole("navigation", { name: /^Pages of orders/ })
    .getByRole("link", { name: "Settings" })
    .click();
  await page.getByRole("button", { name: "Save changes" }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("an API token is shown once, works, and stops working when deleted", async () => {
  const { context, page } = await visit(browser);
  await signUp(page);
  await page.getByRole("link", { name: "API tokens" }).click();
  await page.getByRole("button", { name: "Create API token" }).first().click();
  const dialog = page.getByRole("dialog", { name: /API token/ });
  await dialog.getByLabel("Name").fill("ci");
  await dialog.getByRole("button", { name: "Create API token" }).click();
  const token = (await dialog.getByTestId("secret").textContent()) ?? "";
  expect(token).toMatch(/^sbt_/);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("table", { name: "API tokens" }).waitFor();
  expect(await page.content()).not.toContain(token);

  const accounts = `${new URL(page.url()).origin}/v1/tenants/${new URL(page.url()).pathname.split("/")[2]}/accounts`;
  const ask = () => fetch(accounts, { headers: { Authorization: `Bearer ${token}` } });
  expect((await ask()).status).toBe(200);
  await page.getByRole("button", { name: "Delete ci" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete API token" }).click();
  await page.getByText("No API tokens yet").waitFor();
  expect((await ask()).status).toBe(401);
  await context.close();
});
