import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aDeviceLogin, anAccount, fakeServer, problemBody, show } from "../../testing";
import { AccountLoginsPanel } from "./AccountLoginsPanel";
import { DeviceLoginDrawer } from "./DeviceLoginDrawer";

const listed = "GET /v1/accounts/acc_1/device-logins";
const connected = (keys: string[]) => ({
  body: {
    items: keys.map((user_public_key, index) => ({
      broker: "eu-1",
      client_type: "mqtt",
      user_public_key,
      user: "billing",
      name: `meter ${index}`,
      address: `10.0.0.${index}:1`,
      language: "",
      version: "",
      connected_at: "2026-01-01T00:00:00Z",
      subscriptions: 0,
      messages_in: 0,
      messages_out: 0,
    })),
    brokers_asked: 1,
    brokers_answered: 1,
  },
});
const page = (...items: unknown[]) => ({ body: { items, next_cursor: null } });

function panel(mayEdit = true) {
  const onFilter = vi.fn();
  return {
    onFilter,
    element: <AccountLoginsPanel account={anAccount} filter={{}} onFilter={onFilter} mayEdit={mayEdit} />,
  };
}

it("lists those of all users, with whose they are and how many clients use each", async () => {
  const token = {
    ...aDeviceLogin,
    id: "dlg_2",
    kind: "token",
    username: null,
    description: "gate",
    user: "doors",
    public_key: "UB",
  };
  fakeServer({
    [listed]: page(aDeviceLogin, token),
    "GET /v1/accounts/acc_1/connections": connected([aDeviceLogin.public_key, aDeviceLogin.public_key, "UC"]),
  });
  await show(panel().element);
  const table = await screen.findByRole("table", { name: "Device logins" });
  const [, first, second] = within(table).getAllByRole("row");
  if (!first || !second) throw new Error("two rows are missing");
  expect(within(first).getByRole("link", { name: "boiler room" })).toBeTruthy();
  expect(within(first).getByRole("link", { name: "billing" })).toBeTruthy();
  expect(await within(first).findByText("2 clients now")).toBeTruthy();
  expect(within(second).getByRole("link", { name: "doors" })).toBeTruthy();
  expect(within(second).queryByText(/clients? now/)).toBeNull();
  expect(within(table).getAllByRole("button", { name: /^Revoke/ })).toHaveLength(2);
});

it("asks the server for what is searched and narrowed to, and says when nothing is like that", async () => {
  const calls = fakeServer({ [listed]: page(), "GET /v1/accounts/acc_1/connections": connected([]) });
  const { element, onFilter } = panel();
  await show(element);
  await screen.findByText("No device logins");
  await userEvent.type(screen.getByRole("textbox", { name: "Search device logins" }), " pump ");
  await screen.findByText("None is like this");
  expect(calls.findLast((call) => call.path.endsWith("/device-logins"))?.query.get("q")).toBe("pump");
  await userEvent.click(screen.getByRole("combobox", { name: "Kind" }));
  await userEvent.click(await screen.findByRole("option", { name: "Certificate" }));
  expect(onFilter).toHaveBeenLastCalledWith({ kind: "certificate", status: undefined });
  await userEvent.click(screen.getByRole("combobox", { name: "State" }));
  await userEvent.click(await screen.findByRole("option", { name: "Expires soon" }));
  expect(onFilter).toHaveBeenLastCalledWith({ kind: undefined, status: "expiring" });
});

it("reads what expires soon in the order in which it does", async () => {
  const calls = fakeServer({ [listed]: page(aDeviceLogin), "GET /v1/accounts/acc_1/connections": connected([]) });
  await show(
    <AccountLoginsPanel account={anAccount} filter={{ status: "expiring" }} onFilter={vi.fn()} mayEdit={false} />,
  );
  await screen.findByText("boiler room");
  const query = calls.find((call) => call.path.endsWith("/device-logins"))?.query;
  expect([query?.get("status"), query?.get("sort")]).toEqual(["expiring", "expires_at"]);
  expect(screen.queryByRole("button", { name: /^Revoke/ })).toBeNull();
});

it("says when the list cannot be had, with the request to ask about", async () => {
  fakeServer({
    [listed]: { status: 503, body: problemBody(503) },
    "GET /v1/accounts/acc_1/connections": connected([]),
  });
  await show(panel().element);
  await screen.findByText("Could not load the device logins");
  expect(screen.getByText(/req_test/)).toBeTruthy();
});

it("opens one with who uses it now and what was done to it", async () => {
  fakeServer({
    "GET /v1/device-logins/dlg_1": { body: { ...aDeviceLogin, status: "revoked", revoke_reason: "stolen" } },
    "GET /v1/device-logins/dlg_1/history": page(
      { id: "aud_1", event: "issued", by: "per_1", at: "2026-01-01T00:00:00Z" },
      { id: "aud_2", event: "revoked", by: "tok_9", at: "2026-01-02T00:00:00Z" },
    ),
    "GET /v1/accounts/acc_1/connections": connected([aDeviceLogin.public_key, "UB"]),
    "GET /v1/tenants/ten_1/members": page(),
    "GET /v1/tenants/ten_1/api-tokens": page(),
  });
  await show(<DeviceLoginDrawer login="dlg_1" onClose={vi.fn()} />);
  const drawer = await screen.findByRole("dialog", { name: "Device login boiler room of billing" });
  const history = await within(drawer).findByRole("table", { name: "History" });
  expect(within(history).getByText("Created")).toBeTruthy();
  expect(within(history).getByText("Revoked")).toBeTruthy();
  const uses = await within(drawer).findByRole("table", { name: "Clients that use it now" });
  expect(within(uses).getByText("meter 0")).toBeTruthy();
  expect(within(uses).queryByText("meter 1")).toBeNull();
  expect(within(drawer).queryByRole("button", { name: "Revoke" })).toBeNull();
});
