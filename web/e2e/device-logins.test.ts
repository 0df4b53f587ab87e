import { readFile } from "node:fs/promises";
import { connect } from "@nats-io/transport-node";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCreds, launch, signUp, visit, whole } from "./browser";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

test("a device login's secret is shown once and lets a client in until it is revoked", async () => {
  const { context, page, complaints } = await visit(browser, { reducedMotion: "reduce" });
  await signUp(page);
  await createCreds(page);
  const tabs = page.getByRole("navigation", { name: /^Pages of/ });
  await tabs.getByRole("link", { name: "Users", exact: true }).click();
  await page.getByRole("link", { name: "nats-cli" }).click();
  const drawer = page.getByRole("dialog", { name: "User nats-cli" });
  await drawer.getByText("No device logins").scrollIntoViewIfNeeded();
  await whole(page, "logins-none");

  await drawer.getByRole("button", { name: "Create device login" }).click();
  const dialog = page.getByRole("dialog", { name: "Create a device login for nats-cli" });
  await dialog.getByRole("combobox", { name: "What the client shows" }).click();
  await page.getByRole("option", { name: "Certificate" }).click();
  await whole(page, "logins-certificate");
  await dialog.getByRole("combobox", { name: "What the client shows" }).click();
  await page.getByRole("option", { name: "Password" }).click();
  await dialog.getByLabel("User name").fill("boiler");
  await dialog.getByLabel("What it is for").fill("Boiler room");
  await dialog.getByRole("button", { name: "Create device login" }).click();

  const created = page.getByRole("dialog", { name: "Device login created" });
  const pass = (await created.getByTestId("login-secret").textContent()) ?? "";
  expect(pass).toMatch(/^sbl_[\w-]{64}$/);
  const command = (await created.getByTestId("login-snippet").textContent()) ?? "";
  expect(command).toContain(`--user boiler --password ${pass}`);
  const servers = /--server tls:\/\/(\S+)/.exec(command)?.[1];
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    created.getByRole("button", { name: "Download ca.pem" }).click(),
  ]);
  const tls = { ca: await readFile(await download.path(), "utf8") };
  await whole(page, "logins-created");
  await created.getByRole("button", { name: "Done" }).click();
  await created.getByText("You have not copied the secret").waitFor();
  await created.getByRole("button", { name: "Close without copying" }).click();
  await created.waitFor({ state: "detached" });
  expect(await page.content()).not.toContain(pass);

  const nc = await connect({ servers, user: "boiler", pass, tls, reconnect: false });
  const closed = nc.closed();
  const row = drawer.getByRole("table", { name: "Device logins" }).getByRole("row", { name: /Boiler room/ });
  await row.getByText("1 client now").waitFor();
  await row.scrollIntoViewIfNeeded();
  await whole(page, "logins-used");
  await row.getByRole("button", { name: "Revoke Boiler room" }).click();
  const revoke = page.getByRole("dialog", { name: "Revoke Boiler room?" });
  await revoke.getByText("Closes 1 connection on 1 broker.").waitFor();
  await revoke.getByLabel("Reason").fill("stolen");
  await revoke.getByRole("button", { name: "Revoke", exact: true }).click();
  await closed;
  await revoke.getByText("1 connection closed").waitFor();
  await revoke.getByRole("button", { name: "Done" }).click();
  await row.getByText("stolen").waitFor();
  await expect(connect({ servers, user: "boiler", pass, tls, reconnect: false })).rejects.toThrow();

  await page.keyboard.press("Escape");
  await tabs.getByRole("link", { name: "Authentication" }).click();
  await page.getByRole("combobox", { name: "State" }).click();
  await page.getByRole("option", { name: "Revoked" }).click();
  await page.getByRole("textbox", { name: "Search device logins" }).fill("boil");
  await page.getByRole("link", { name: "Boiler room" }).click();
  const detail = page.getByRole("dialog", { name: "Device login Boiler room of nats-cli" });
  const history = detail.getByRole("table", { name: "History" });
  await history.getByRole("row", { name: /^Created/ }).waitFor();
  await history.getByRole("row", { name: /^Revoked/ }).waitFor();
  await whole(page, "logins-detail");
  await page.keyboard.press("Escape");
  await detail.waitFor({ state: "detached" });
  expect(new URL(page.url()).searchParams.get("status")).toBe("revoked");

  // Whoever is an authority may be one of the account's, the brokers' own too.
  await page.getByRole("button", { name: "Add authority" }).click();
  const adding = page.getByRole("dialog", { name: "Add a certificate authority" });
  await adding
    .getByLabel("File with certificates")
    .setInputFiles({ name: "ca.pem", mimeType: "application/x-pem-file", buffer: Buffer.from(tls.ca) });
  await expect.poll(() => adding.getByLabel("Certificate", { exact: true }).inputValue()).toContain("BEGIN");
  await whole(page, "logins-authority");
  await adding.getByRole("button", { name: "Add authority" }).click();
  await page.getByText("Added 1 authority").waitFor();
  await page.getByText("In force on every broker").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  const authorities = page.getByRole("table", { name: "Certificate authorities" });
  await authorities.getByText("Trusted").waitFor();
  await whole(page, "logins-authorities");
  await authorities.getByRole("button", { name: /^Remove CN=/ }).click();
  const removing = page.getByRole("dialog", { name: /^Remove CN=/ });
  await removing.getByText("Closes no connection").waitFor();
  await removing.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByText("No certificate authorities").waitFor();

  await tabs.getByRole("link", { name: "Connections", exact: true }).click();
  await page.getByRole("table", { name: "Refused logins" }).getByText("Boiler room").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
