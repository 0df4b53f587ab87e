import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aRole, aUser, fakeServer, problemBody, show } from "../../testing";
import { UserEditor } from "./UserEditor";

const sensor = { ...aRole, id: "rol_2", name: "sensor", permissions: { publish: { allow: ["readings.>"] } } };
const roles = { body: { items: [aRole, sensor], next_cursor: null } };
const delivered = { body: { revision: 1, in_force: true, brokers: [] } };

it("moves a user to another role, and shows the brokers taking it up", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/roles": roles,
    "PATCH /v1/users/usr_1": { body: { ...aUser, role_id: "rol_2", role_name: "sensor", etag: '"2"' } },
    "GET /v1/accounts/acc_1/delivery": delivered,
  });
  await show(<UserEditor user={aUser} onDone={vi.fn()} />);
  await screen.findByText("Can publish and subscribe to everything.");
  await userEvent.click(screen.getByRole("combobox", { name: "Role" }));
  await userEvent.click(await screen.findByRole("option", { name: "sensor" }));
  await screen.findByText(/Can publish to readings\.>/);
  await userEvent.click(screen.getByRole("button", { name: "Save user" }));
  await screen.findByText("In force on every broker");
  const patch = calls.find(({ method }) => method === "PATCH");
  expect(patch?.body).toEqual({ role_id: "rol_2" });
  expect(patch?.headers.get("If-Match")).toBe(aUser.etag);
});

it("gives it permissions and a cap of its own, and lands the server's word on the cap", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/roles": roles,
    "PATCH /v1/users/usr_1": {
      status: 400,
      body: problemBody(400, [{ pointer: "/connections", detail: "is above the account's 5" }]),
    },
  });
  await show(<UserEditor user={aUser} onDone={vi.fn()} />);
  await userEvent.click(screen.getByLabelText("Permissions of its own"));
  await userEvent.click(screen.getAllByLabelText("Only these subjects")[0]!);
  await userEvent.click(screen.getByRole("button", { name: "Save user" }));
  expect(screen.getByText("Name at least one subject, or choose Nothing.")).toBeTruthy();
  await userEvent.type(screen.getByRole("combobox", { name: "Subjects it may publish to" }), "probe.>{Enter}");
  await userEvent.type(screen.getByLabelText("Connections at once"), "9");
  await userEvent.click(screen.getByRole("button", { name: "Save user" }));
  await screen.findByText("is above the account's 5");
  expect(calls.find(({ method }) => method === "PATCH")?.body).toMatchObject({
    permissions: { publish: { allow: ["probe.>"] } },
    connections: 9,
  });
});

it("narrows the connection types of its role", async () => {
  const narrow = { ...aRole, connection_types: ["STANDARD", "WEBSOCKET"] };
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/roles": { body: { items: [narrow], next_cursor: null } },
    "PATCH /v1/users/usr_1": { body: { ...aUser, connection_types: ["WEBSOCKET"], etag: '"2"' } },
    "GET /v1/accounts/acc_1/delivery": delivered,
  });
  await show(<UserEditor user={aUser} onDone={vi.fn()} />);
  await screen.findByText("Can publish and subscribe to everything, over NATS and WebSocket only.");
  expect(screen.getByRole<HTMLInputElement>("checkbox", { name: "MQTT" }).disabled).toBe(true);
  await userEvent.click(screen.getByRole("checkbox", { name: "WebSocket" }));
  await userEvent.click(screen.getByRole("button", { name: "Save user" }));
  await screen.findByText("In force on every broker");
  expect(calls.find(({ method }) => method === "PATCH")?.body).toEqual({ connection_types: ["WEBSOCKET"] });
});

it("shows a cap of -1 as unlimited, and lets it be chosen and taken away", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/roles": roles,
    "PATCH /v1/users/usr_1": { body: { ...aUser, connections: -1, etag: '"2"' } },
    "GET /v1/accounts/acc_1/delivery": delivered,
  });
  await show(<UserEditor user={aUser} onDone={vi.fn()} />);
  const cap = () => screen.getByLabelText<HTMLInputElement>("Connections at once");
  const unlimited = screen.getByRole<HTMLInputElement>("switch", { name: /^Unlimited connections/ });
  expect(cap().placeholder).toBe("As its role says");
  await userEvent.click(unlimited);
  expect(cap().placeholder).toBe("Unlimited");
  await userEvent.click(screen.getByRole("button", { name: "Save user" }));
  await screen.findByText("In force on every broker");
  expect(calls.find(({ method }) => method === "PATCH")?.body).toEqual({ connections: -1 });
  expect(unlimited.checked).toBe(true);
  await userEvent.click(unlimited);
  await userEvent.click(screen.getByRole("button", { name: "Save user" }));
  await expect.poll(() => calls.filter(({ method }) => method === "PATCH").at(-1)?.body).toEqual({ connections: null });
});
