import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aPlan, fakeServer, problemBody, show } from "../../testing";
import type { Tenant } from "../../api/tenants";
import { TenantPlanDialog } from "./TenantPlanDialog";
import { TenantTable } from "./TenantTable";

const tenant: Tenant = {
  id: "ten_1",
  name: "Analytical Engines",
  plan_id: "pln_1",
  plan_name: "Team",
  plan_version: 2,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  etag: '"7"',
};
const smaller = { ...aPlan, id: "pln_2", name: "Free", version: 1 };
const operation = { id: "opn_1", kind: "announce_tenant", status: "running", stage: "signing", done: 1, total: 4 };

async function choose(plan: string) {
  await userEvent.click(await screen.findByRole("combobox", { name: "Plan" }));
  await userEvent.click(await screen.findByRole("option", { name: plan }));
}

it("offers each tenant another plan", async () => {
  const onMove = vi.fn();
  await show(<TenantTable tenants={[tenant]} onMove={onMove} />);
  screen.getByText("Team, version 2");
  await userEvent.click(screen.getByRole("button", { name: "Change the plan of Analytical Engines" }));
  expect(onMove).toHaveBeenCalledWith(tenant);
});

it("puts the tenant on the chosen plan under its ETag, and follows its accounts", async () => {
  let over = false;
  const calls = fakeServer({
    "GET /v1/plans": { body: { items: [aPlan, smaller], next_cursor: null } },
    "PUT /v1/tenants/ten_1/plan": { body: { plan: smaller, operation } },
    "GET /v1/operations/opn_1": () => ({ body: over ? { ...operation, status: "done", done: 4 } : operation }),
  });
  await show(<TenantPlanDialog tenant={tenant} onClose={vi.fn()} />);
  await choose("Free, version 1");
  const dialog = within(screen.getByRole("dialog", { name: "Plan of Analytical Engines" }));
  await userEvent.click(dialog.getByRole("button", { name: "Change plan" }));
  expect((await dialog.findByText("Signing its accounts: signing")).closest("[role=status]")?.textContent).toContain(
    "1 of 4",
  );
  over = true;
  await dialog.findByText("In force", {}, { timeout: 5_000 });
  const put = calls.find(({ method }) => method === "PUT");
  expect(put?.body).toEqual({ plan_id: "pln_2" });
  expect(put?.headers.get("If-Match")).toBe('"7"');
});

it("says what a plan would do before it does, and changes nothing by it", async () => {
  const calls = fakeServer({
    "GET /v1/plans": { body: { items: [aPlan, smaller], next_cursor: null } },
    "PUT /v1/tenants/ten_1/plan": { status: 409, body: problemBody(409, []) },
  });
  await show(<TenantPlanDialog tenant={tenant} onClose={vi.fn()} />);
  await choose("Free, version 1");
  await userEvent.click(screen.getByRole("button", { name: "Preview what this does" }));
  await screen.findByText("This would be refused");
  expect(calls.filter(({ method }) => method === "PUT").map(({ query }) => query.get("dry_run"))).toEqual(["true"]);
});

it("has nothing to change while the plan is the tenant's own", async () => {
  fakeServer({ "GET /v1/plans": { body: { items: [{ ...aPlan, version: 2 }, smaller], next_cursor: null } } });
  await show(<TenantPlanDialog tenant={tenant} onClose={vi.fn()} />);
  const change: HTMLButtonElement = await screen.findByRole("button", { name: "Change plan" });
  expect(change.disabled).toBe(true);
  await choose("Free, version 1");
  expect(change.disabled).toBe(false);
});
