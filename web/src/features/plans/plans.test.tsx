import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aPlan, fakeServer, problemBody, show } from "../../testing";
import { PlanEditor } from "./PlanEditor";
import { PlanVersions } from "./PlanVersions";

it("makes a plan of what was bounded, and leaves the rest unlimited", async () => {
  const calls = fakeServer({ "POST /v1/plans": { status: 201, body: { ...aPlan, version: 1 } } });
  const onSaved = vi.fn();
  await show(<PlanEditor onSaved={onSaved} onClose={vi.fn()} />);
  await userEvent.type(screen.getByLabelText("Name"), "Team");
  await userEvent.click(screen.getByRole("switch", { name: "Accounts: unlimited" }));
  await userEvent.clear(screen.getByRole("textbox", { name: "Accounts" }));
  await userEvent.type(screen.getByRole("textbox", { name: "Accounts" }), "50");
  await userEvent.click(screen.getByRole("button", { name: "Create plan" }));
  await vi.waitFor(() => expect(onSaved).toHaveBeenCalled());
  expect(calls[0]?.body).toEqual({ name: "Team", max_accounts: 50 });
  expect(calls[0]?.headers.get("Idempotency-Key")).toBeTruthy();
});

it("edits by making the next version, and lands the server's word on its field", async () => {
  let refuse = true;
  const calls = fakeServer({
    "PATCH /v1/plans/pln_1": () =>
      refuse
        ? {
            status: 400,
            body: problemBody(400, [{ pointer: "/account_limits/connections", detail: "is above all accounts'" }]),
          }
        : { body: { ...aPlan, version: 4 }, headers: { ETag: '"4"' } },
  });
  const onSaved = vi.fn();
  await show(<PlanEditor plan={aPlan} onSaved={onSaved} onClose={vi.fn()} />);
  screen.getByText(/Tenants stay on theirs until you move them/);
  const account = within(screen.getByRole("region", { name: "The most one account may have" }));
  const connections = account.getByRole("textbox", { name: "Connections" });
  await userEvent.clear(connections);
  await userEvent.type(connections, "9000");
  const save = screen.getByRole("button", { name: "Save as version 4" });
  await userEvent.click(save);
  await account.findByText("is above all accounts'");
  refuse = false;
  await userEvent.click(save);
  await vi.waitFor(() => expect(onSaved).toHaveBeenCalledWith(expect.objectContaining({ version: 4, etag: '"4"' })));
  expect(calls.at(-1)?.body).toEqual({ account_limits: { connections: 9000 } });
  expect(calls.at(-1)?.headers.get("If-Match")).toBe('"3"');
});

it("says when someone else made a version meanwhile", async () => {
  fakeServer({ "PATCH /v1/plans/pln_1": { status: 412, body: problemBody(412) } });
  await show(<PlanEditor plan={aPlan} onSaved={vi.fn()} onClose={vi.fn()} />);
  await userEvent.type(screen.getByLabelText("Name"), " 2");
  await userEvent.click(screen.getByRole("button", { name: "Save as version 4" }));
  expect((await screen.findByRole("alert")).textContent).toContain("Someone made a version");
});

it("moves the tenants of an older version, and shows how far it is", async () => {
  const older = { ...aPlan, version: 2, is_newest: false, tenants: 12 };
  const operation = { id: "opn_1", kind: "move_tenants", status: "running", stage: "signing", done: 5, total: 12 };
  let over = false;
  const calls = fakeServer({
    "GET /v1/plans/pln_1/versions": () => ({
      body: { items: [{ ...older, tenants: over ? 0 : 12 }, aPlan], next_cursor: null },
    }),
    "POST /v1/plans/pln_1/versions/2/move-tenants": { status: 202, body: operation },
    "GET /v1/operations/opn_1": () => ({ body: over ? { ...operation, status: "done", done: 12 } : operation }),
  });
  await show(<PlanVersions newest={aPlan} />);
  await userEvent.click(await screen.findByRole("button", { name: "Move tenants of version 2" }));
  const dialog = within(await screen.findByRole("dialog", { name: "Move 12 tenants to version 3?" }));
  await userEvent.click(dialog.getByRole("button", { name: "Move tenants" }));
  expect((await screen.findByText("Moving tenants: signing")).closest("[role=status]")?.textContent).toContain(
    "5 of 12",
  );
  over = true;
  await screen.findByText("Moved", {}, { timeout: 5_000 });
  await expect.poll(() => screen.queryByRole("button", { name: "Move tenants of version 2" })).toBeNull();
  expect(calls.find(({ method }) => method === "POST")?.headers.get("Idempotency-Key")).toBeTruthy();
});
