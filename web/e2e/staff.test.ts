import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { launch, signUp, visit, whole } from "./browser";
import { control } from "./stack";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

async function makeStaff(email: string): Promise<void> {
  await promisify(execFile)(control, ["staff", email], {
    env: { ...process.env, DATABASE_URL: inject("databaseUrl") },
  });
}

test("staff edit a plan, move its tenants, and a tenant's plan page shows what it has now", async () => {
  const { context, page, complaints } = await visit(browser, { reducedMotion: "reduce" });
  await makeStaff(await signUp(page));
  await page.reload();
  await page.getByRole("link", { name: "Plans", exact: true }).click();
  await whole(page, "staff-plans");
  await page.getByRole("table", { name: "Plans" }).getByRole("link").first().click();
  await page.getByRole("table", { name: "Versions" }).waitFor();
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  const editor = page.getByRole("dialog", { name: /^Edit/ });
  const accounts = editor.getByRole("textbox", { name: "Accounts", exact: true });
  await accounts.waitFor();
  await whole(page, "staff-edit-plan");
  if (await accounts.isDisabled()) await editor.getByRole("switch", { name: "Accounts: unlimited" }).click();
  const most = String(100 + (Date.now() % 800));
  // Key by key, as a person does.
  await accounts.press("ControlOrMeta+a");
  await accounts.press("Backspace");
  await accounts.pressSequentially(most);
  const save = editor.getByRole("button", { name: /^Save as version/ });
  const next = Number(/\d+$/.exec((await save.textContent()) ?? "")?.[0]);
  await save.click();
  await editor.waitFor({ state: "detached" });
  await page.getByText(`${next} (newest)`).waitFor();
  await page.getByRole("button", { name: `Move tenants of version ${next - 1}` }).click();
  const dialog = page.getByRole("dialog", { name: new RegExp(`^Move .* to version ${next}`) });
  await dialog.getByRole("button", { name: "Move tenants" }).click();
  await page.getByText("Moved", { exact: true }).waitFor();
  await page.getByRole("button", { name: `Move tenants of version ${next - 1}` }).waitFor({ state: "detached" });
  await whole(page, "staff-plan");

  await page.getByRole("link", { name: "Plan and use" }).click();
  await page.getByRole("heading", { name: new RegExp(`, version ${next}$`) }).waitFor();
  await page.getByText(`1 of ${most}`, { exact: true }).waitFor();

  const larger = `Larger ${Date.now().toString(36)}`;
  const made = await context.request.post("/v1/plans", { data: { name: larger } });
  expect(made.status()).toBe(201);
  await page.getByRole("link", { name: "Tenants", exact: true }).click();
  await page.getByRole("table", { name: "Tenants" }).waitFor();
  await whole(page, "staff-tenants");
  await page
    .getByRole("button", { name: /^Change the plan of/ })
    .first()
    .click();
  const plan = page.getByRole("dialog", { name: /^Plan of/ });
  await plan.getByRole("combobox", { name: "Plan" }).click();
  await page.getByRole("option", { name: `${larger}, version 1` }).click();
  await plan.getByRole("button", { name: "Preview what this does" }).click();
  await plan.getByText(/in the claims/).waitFor();
  await whole(page, "staff-change-plan");
  await plan.getByRole("button", { name: "Change plan" }).click();
  await plan.getByText("In force", { exact: true }).waitFor();
  await plan.getByRole("button", { name: "Done" }).click();
  await page.getByText(`${larger}, version 1`).waitFor();

  await page.keyboard.press("Control+k");
  await page.getByRole("textbox", { name: "Find or do" }).fill("Create operator");
  await page.getByRole("button", { name: "Create operator" }).click();
  const create = page.getByRole("dialog", { name: "Create operator" });
  const name = `Europe ${Date.now().toString(36)}`;
  await create.getByLabel("Name").fill(name);
  await create.getByRole("button", { name: "Create operator" }).click();
  await create.waitFor({ state: "detached" });
  await page.getByRole("button", { name: `Edit ${name}` }).waitFor();
  await whole(page, "staff-operators");
  expect(complaints).toEqual([]);
  await context.close();
});
