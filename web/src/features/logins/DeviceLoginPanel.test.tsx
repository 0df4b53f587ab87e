import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { aDeviceLogin, aUser, fakeServer, show } from "../../testing";
import { DeviceLoginPanel } from "./DeviceLoginPanel";

const page = (items: unknown[]) => ({ body: { items, next_cursor: null } });

it("lists what each client shows, and revokes one with the reason", async () => {
  const revoked = { ...aDeviceLogin, id: "dlg_2", kind: "token", username: null, description: "", status: "revoked" };
  const calls = fakeServer({
    "GET /v1/users/usr_1/device-logins": page([aDeviceLogin, revoked]),
    "GET /v1/accounts/acc_1/connections": { body: { items: [], brokers_asked: 1, brokers_answered: 1 } },
    "GET /v1/accounts/acc_1/delivery": { body: { revision: 2, in_force: true, brokers: [] } },
    "POST /v1/device-logins/dlg_1/revoke": { body: { ...aDeviceLogin, status: "revoked" } },
  });
  await show(<DeviceLoginPanel user={aUser} uses={new Map([[aDeviceLogin.public_key, 2]])} mayEdit />);
  const table = await screen.findByRole("table", { name: "Device logins" });
  expect(within(table).getByText("Password with the user name boiler")).toBeTruthy();
  expect(within(table).getAllByText("2 clients now")).toHaveLength(2);
  expect(within(table).getAllByRole("button", { name: /^Revoke/ })).toHaveLength(1);

  await userEvent.click(within(table).getByRole("button", { name: "Revoke boiler room" }));
  const dialog = await screen.findByRole("dialog", { name: "Revoke boiler room?" });
  await userEvent.type(within(dialog).getByLabelText("Reason"), "stolen");
  await userEvent.click(within(dialog).getByRole("button", { name: "Revoke" }));
  await within(dialog).findByText("Revoked");
  expect(calls.find((call) => call.method === "POST")?.body).toEqual({ reason: "stolen" });
});

it("says what device logins are for when there is none, and offers nothing to who may only look", async () => {
  fakeServer({ "GET /v1/users/usr_1/device-logins": page([]) });
  await show(<DeviceLoginPanel user={aUser} mayEdit={false} />);
  await screen.findByText("No device logins");
  expect(screen.queryByRole("button")).toBeNull();
});
