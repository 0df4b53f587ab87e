import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { aDryRun, anAccount, fakeServer, show } from "../../testing";
import { SuspendAccount, SuspendedNotice } from "./Suspension";

const suspended = {
  ...anAccount,
  status: "suspended" as const,
  suspension: { by: "tenant" as const, reason: "Invoice open", since: "2026-01-01T00:00:00Z" },
};
const delivered = { body: { revision: 1, in_force: true, brokers: [] } };

it("names what is closed before it suspends, and sends the reason", async () => {
  const calls = fakeServer({
    "POST /v1/accounts/acc_1/suspend": ({ query }) => ({ body: query.has("dry_run") ? aDryRun(2) : suspended }),
  });
  await show(<SuspendAccount account={anAccount} />);
  await userEvent.click(screen.getByRole("button", { name: "Suspend account" }));
  const dialog = within(await screen.findByRole("dialog"));
  await dialog.findByText("Closes 2 of 2 connections on 1 broker.");
  await userEvent.type(dialog.getByLabelText("Reason"), "Invoice open");
  await userEvent.click(dialog.getByRole("button", { name: "Suspend account" }));
  await expect
    .poll(() => calls.find(({ method, query }) => method === "POST" && !query.has("dry_run"))?.body)
    .toEqual({ reason: "Invoice open" });
});

it("says why, and lets it be resumed", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/delivery": delivered,
    "POST /v1/accounts/acc_1/resume": { body: anAccount },
  });
  await show(<SuspendedNotice account={suspended} mayResume isStaff={false} />);
  expect(screen.getByRole("status").textContent).toContain("Invoice open");
  await userEvent.click(screen.getByRole("button", { name: "Resume" }));
  await expect.poll(() => calls.some(({ path }) => path.endsWith("/resume"))).toBe(true);
});

it("does not offer a tenant to resume what staff suspended", async () => {
  fakeServer({ "GET /v1/accounts/acc_1/delivery": delivered });
  const account = { ...suspended, suspension: { ...suspended.suspension, by: "staff" as const } };
  await show(<SuspendedNotice account={account} mayResume isStaff={false} />);
  expect(screen.getByRole("status").textContent).toContain("who alone can resume it");
  expect(screen.queryByRole("button", { name: "Resume" })).toBeNull();
});
