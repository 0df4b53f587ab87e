import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import type { Retirement } from "../../api/accounts";
import { aDryRun, anAccount, type Call, fakeServer, problemBody, show } from "../../testing";
import { DeleteAccount } from "./DeleteAccount";
import { DeletingNotice } from "./DeletingNotice";
import { RetirementPanels } from "./RetirementPanels";

const stream = { name: "ORDERS", storage: "file", brokers: ["eu-1"], messages: 1200, bytes: 1 << 20, consumers: 2 };

const retirement: Retirement = {
  account_id: "acc_1",
  account: "orders",
  phase: "none",
  deleting_at: null,
  purge_at: null,
  purged_at: null,
  connections: 1,
  streams: [stream],
  brokers: [],
  brokers_asked: 2,
  brokers_answered: 1,
};

const deletion = (call: Call) => (call.query.has("dry_run") ? { body: aDryRun(1) } : { status: 204 });

it("names what is closed and what data goes before, and deletes with the chosen time to undo", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/retirement": { body: retirement },
    "DELETE /v1/accounts/acc_1": deletion,
  });
  const onDeleted = vi.fn();
  await show(<DeleteAccount account={anAccount} onDeleted={onDeleted} />);
  await userEvent.click(screen.getByRole("button", { name: "Delete account" }));
  const dialog = within(await screen.findByRole("dialog"));
  await dialog.findByText("Closes 1 of 1 connection on 1 broker.");
  expect((await dialog.findByText(/1 stream with 1,200 messages, 1 MiB/)).textContent).toContain("1 of 2 brokers");
  await userEvent.click(dialog.getByRole("combobox", { name: "It can be restored for" }));
  await userEvent.click(await screen.findByRole("option", { name: "30 days" }));
  await userEvent.type(dialog.getByLabelText(/to confirm/), "orders");
  await userEvent.click(dialog.getByRole("button", { name: "Delete account" }));
  await vi.waitFor(() => expect(onDeleted).toHaveBeenCalled());
  const call = calls.find(({ method, query }) => method === "DELETE" && !query.has("dry_run"));
  expect(call?.headers.get("If-Match")).toBe(anAccount.etag);
  expect(call?.query.get("undo")).toBe("P30D");
});

it("leaves the time to undo to the installation unless one is chosen", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/retirement": { body: retirement },
    "DELETE /v1/accounts/acc_1": deletion,
  });
  const onDeleted = vi.fn();
  await show(<DeleteAccount account={anAccount} onDeleted={onDeleted} />);
  await userEvent.click(screen.getByRole("button", { name: "Delete account" }));
  const dialog = within(await screen.findByRole("dialog"));
  await userEvent.type(dialog.getByLabelText(/to confirm/), "orders");
  await userEvent.click(dialog.getByRole("button", { name: "Delete account" }));
  await vi.waitFor(() => expect(onDeleted).toHaveBeenCalled());
  const call = calls.find(({ method, query }) => method === "DELETE" && !query.has("dry_run"));
  expect(call?.query.has("undo")).toBe(false);
});

const deleting = {
  ...anAccount,
  status: "deleting" as const,
  deleting_at: "2026-01-01T00:00:00Z",
  purge_at: new Date(Date.now() + 2 * 86_400_000 + 1_800_000).toISOString(),
};

it("counts down, restores, and shows the server's word when it is too late", async () => {
  fakeServer({ "POST /v1/accounts/acc_1/restore": { status: 409, body: problemBody(409, [], "It was purged.") } });
  await show(<DeletingNotice account={deleting} mayDecide />);
  expect(screen.getByRole("status").textContent).toContain("2 days");
  await userEvent.click(screen.getByRole("button", { name: "Restore" }));
  expect((await screen.findByRole("alert")).textContent).toContain("It was purged.");
});

it("purges only who has typed the name", async () => {
  const calls = fakeServer({ "POST /v1/accounts/acc_1/purge": { status: 202, body: retirement } });
  await show(<DeletingNotice account={deleting} mayDecide />);
  await userEvent.click(screen.getByRole("button", { name: "Purge now" }));
  const dialog = within(await screen.findByRole("dialog"));
  const purge = dialog.getByRole<HTMLButtonElement>("button", { name: "Purge for good" });
  expect(purge.disabled).toBe(true);
  await userEvent.type(dialog.getByLabelText(/to confirm/), "orders");
  await userEvent.click(purge);
  await vi.waitFor(() => expect(calls[0]?.body).toEqual({ name: "orders" }));
});

it("shows how far each broker is, and who could not erase", async () => {
  const disk = { kind: "broker", bytes: 0, error: null, heard_at: null };
  fakeServer({
    "GET /v1/accounts/acc_1/retirement": {
      body: {
        ...retirement,
        phase: "purging",
        brokers: [
          { ...disk, broker: "eu-1", state: "erased", bytes: 1 << 20 },
          { ...disk, broker: "eu-2", state: "erasing", error: "permission denied" },
          { ...disk, broker: "eu-3", state: "waiting" },
        ],
      },
    },
  });
  await show(<RetirementPanels account="acc_1" />);
  const row = async (words: string) => (await screen.findByText(words)).closest("tr")?.textContent;
  expect(await row("Nothing left")).toContain("eu-1");
  expect(await row("permission denied; it goes on trying")).toContain("eu-2");
  expect(await row("Has not looked yet")).toContain("eu-3");
  const current = screen.getByRole("list", { name: "Steps of the deletion" }).querySelector("[aria-current=step]");
  expect(current?.textContent).toBe("Data is erased");
});
