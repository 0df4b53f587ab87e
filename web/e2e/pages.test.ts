import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCreds, launch, signUp, snippet, visit } from "./browser";

/** Where pictures of every page go; none are taken without. */
const pictures = process.env.SCREENSHOTS;

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
  if (pictures) await mkdir(pictures, { recursive: true });
});
afterAll(() => browser.close());

const screens = {
  light: { viewport: { width: 1280, height: 860 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 860 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true, isMobile: true },
} as const;

for (const [screen, options] of Object.entries(screens)) {
  test(`every page is whole on ${screen}`, async () => {
    const { context, page, complaints } = await visit(browser, { ...options, reducedMotion: "reduce" });
    let number = 0;
    const look = async (name: string) => {
      await page.getByText("Loading", { exact: true }).first().waitFor({ state: "detached" });
      await page.evaluate(() => document.fonts.ready);
      // A page that is wider than the screen has a table or a key that does not fit.
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(overflow, `${name} is wider than the screen`).toBeLessThanOrEqual(0);
      number += 1;
      if (!pictures) return;
      const file = `${String(number).padStart(2, "0")}-${name}-${screen}.png`;
      await page.screenshot({ path: join(pictures, file), fullPage: true });
    };

    await page.goto("/log-in");
    await page.getByRole("button", { name: "Log in" }).waitFor();
    await look("log-in");
    await page.goto("/sign-up");
    await page.getByRole("button", { name: "Sign up" }).waitFor();
    await look("sign-up");
    await page.getByRole("button", { name: "Sign up" }).click();
    await page.locator("[aria-invalid=true]").first().waitFor();
    await look("sign-up-wrong");
    await signUp(page);
    await look("connect");
    const creds = await createCreds(page);
    const nc = await connect({
      tls: null, // it would have to know the authority
      servers: /--server (\S+)/.exec(await snippet(page, "cli"))?.[1],
      name: "hello from e2e",
      authenticator: credsAuthenticator(new TextEncoder().encode(creds.content)),
    });
    await page.getByText(/Connected from/).waitFor();
    await page.getByRole("radiogroup", { name: "Language" }).getByText("Go", { exact: true }).click();
    await look("connected");

    const account = page.url().replace(/\/connect$/, "");
    const open = async (url: string, text: string | RegExp) => {
      await page.goto(url);
      await page.getByText(text).first().waitFor();
    };
    await open(account, "Where clients connect");
    await look("account-overview");
    await open(`${account}/roles/new`, "In plain words");
    await page.getByLabel("Name").fill("sensor");
    await page.getByLabel("Description").fill("Publishes readings from a browser");
    const may = page.getByRole("radiogroup", { name: "May publish to" });
    await may.getByLabel("Only these subjects").check();
    const subjects = page.getByRole("combobox", { name: "Subjects it may publish to" });
    await subjects.fill("readings.>");
    await subjects.press("Enter");
    await page.getByLabel("WebSocket", { exact: true }).check();
    await look("role-editor");
    await page.getByRole("button", { name: "Create role" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByText("over WebSocket only").waitFor();
    await look("roles");

    await open(`${account}/users`, "nats-cli");
    await look("users");
    await page.getByRole("button", { name: "Create user" }).click();
    await page.getByLabel("User name").fill("billing");
    await look("create-user");
    await page.getByRole("button", { name: "Create user and issue creds" }).click();
    await page.getByTestId("creds").waitFor();
    await page.getByRole("button", { name: "QR code" }).click();
    await page.getByRole("img", { name: /QR code of/ }).waitFor();
    await look("creds-once");
    await page.getByRole("button", { name: "Copy", exact: true }).click();
    await page.getByRole("button", { name: /Done|Close without/ }).click();
    if (await page.getByRole("button", { name: "Close without saving" }).isVisible()) {
      await page.getByRole("button", { name: "Close without saving" }).click();
    }
    await page.getByRole("dialog", { name: "User billing" }).waitFor();
    await look("user");
    await page
      .getByRole("dialog")
      .getByRole("button", { name: /^Revoke/ })
      .click();
    await page.getByLabel("Reason").waitFor();
    await look("revoke");
    await page.getByLabel("Reason").fill("laptop lost");
    await page.getByRole("button", { name: "Revoke", exact: true }).click();
    await page.getByText("In force on every broker").waitFor();
    await look("revoked");

    await open(`${account}/connections`, "hello from e2e");
    await look("connections");
    await open(`${account}/credentials`, "Active");
    await look("creds");
    await open(`${account}/settings`, "JetStream");
    await look("account-settings");
    await page.getByRole("button", { name: "Delete account" }).click();
    await page.getByText(/Closes 1 of 1 connection/).waitFor();
    await look("delete-account");

    await open(`${account}/console`, "Not connected");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByRole("button", { name: "Subscribe" }).click();
    await page.getByText("Subscribed to hello.>").waitFor();
    await page.getByLabel("Message", { exact: true }).fill("hello from the console");
    await page.getByRole("button", { name: "Publish" }).click();
    await page.getByRole("list", { name: "Messages" }).getByText("hello from the console").waitFor();
    await look("console");

    await page.goto("/");
    await page.waitForURL(/\/t\/ten_\w+$/);
    await page.getByRole("heading", { name: "Next steps" }).waitFor();
    await page
      .getByText(/In force on/)
      .first()
      .waitFor();
    await look("overview");
    const tenant = page.url();
    await open(`${tenant}/accounts`, "Create account");
    await page
      .getByText(/In force on/)
      .first()
      .waitFor();
    await look("accounts");
    await open(`${tenant}/accounts?create=true`, "Limit it below the plan");
    await page.getByLabel("Limit it below the plan").check({ force: true });
    await look("create-account");
    await open(`${tenant}/members`, "(you)");
    await look("members");
    await open(`${tenant}/api-tokens`, "No API tokens yet");
    await look("api-tokens-empty");
    await page.getByRole("button", { name: "Create API token" }).first().click();
    await page.getByLabel("Name").fill("ci");
    await look("create-api-token");
    await page.getByRole("dialog").getByRole("button", { name: "Create API token" }).click();
    await page.getByTestId("secret").waitFor();
    await look("api-token-once");
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("table", { name: "API tokens" }).waitFor();
    await look("api-tokens");
    await open(`${tenant}/audit`, "Issue credential");
    await look("audit");
    await open(`${tenant}/events`, "Nothing has happened by itself");
    await look("events-empty");
    await open(`${tenant}/plan`, "Limits of an account");
    await look("plan");
    await open(`${tenant}/settings`, "Rename team");
    await look("team-settings");
    await page.keyboard.press("Control+k");
    await page.getByRole("textbox", { name: "Find or do" }).waitFor();
    await look("palette");
    await page.keyboard.press("Escape");
    if (screen === "phone") {
      await page.getByRole("button", { name: "Open menu" }).click();
      await page.getByRole("link", { name: "Members" }).waitFor();
      await look("menu");
    }
    await open("/nowhere", "There is nothing here");
    await look("not-found");
    await failing(page, tenant, look);
    await nc.close();
    expect(complaints).toEqual([]);
    await context.close();
  });
}

/** failing shows the error state: what happened, the request id, a way on. */
async function failing(page: Page, tenant: string, look: (name: string) => Promise<void>) {
  const problem = {
    type: "/problems/unavailable",
    title: "Temporarily unavailable",
    status: 500,
    detail: "The database does not answer; try again in a moment.",
    request_id: "req_e2e",
  };
  await page.route("**/v1/tenants/*/members*", (route) =>
    route.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify(problem) }),
  );
  await page.goto(`${tenant}/members`);
  await page.getByRole("alert").getByText("req_e2e").waitFor();
  await look("error");
  await page.unroute("**/v1/tenants/*/members*");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("(you)").waitFor();
}
