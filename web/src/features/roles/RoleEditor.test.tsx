import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import type { Role } from "../../api/roles";
import { anAccount, aRole, aUser, fakeServer, problemBody, show } from "../../testing";
import { RoleEditor } from "./RoleEditor";
import { bodyOf, newRole } from "./roleForm";

const role: Role = {
  ...aRole,
  ...bodyOf({ ...newRole, name: "sensor", publish: { reach: "only", only: ["readings.>"] } }),
};

const delivered = { body: { revision: 1, in_force: true, brokers: [] } };

it("does not send 'only these' without a subject, which would allow everything", async () => {
  const calls = fakeServer({});
  await show(<RoleEditor account={anAccount} readOnly={false} onClose={() => {}} />);
  await userEvent.type(screen.getByLabelText("Name"), "sensor");
  const publish = screen.getByRole("radiogroup", { name: "May publish to" });
  await userEvent.click(within(publish).getByLabelText("Only these subjects"));
  await userEvent.click(screen.getByRole("button", { name: "Create role" }));
  expect(await screen.findByText("Name at least one subject, or choose Nothing.")).toBeTruthy();
  expect(calls).toHaveLength(0);
});

it("creates what was chosen, and says it in plain words before", async () => {
  const calls = fakeServer({ "POST /v1/accounts/acc_1/roles": { status: 201, body: role } });
  const onClose = vi.fn();
  await show(<RoleEditor account={anAccount} readOnly={false} onClose={onClose} />);
  await userEvent.type(screen.getByLabelText("Name"), "sensor");
  const publish = screen.getByRole("radiogroup", { name: "May publish to" });
  await userEvent.click(within(publish).getByLabelText("Only these subjects"));
  await userEvent.type(screen.getByRole("combobox", { name: "Subjects it may publish to" }), "readings.>{Enter}");
  const subscribe = screen.getByRole("radiogroup", { name: "May subscribe to" });
  await userEvent.click(within(subscribe).getByLabelText("Nothing"));
  await userEvent.click(screen.getByLabelText("WebSocket"));
  expect(screen.getByText("Can publish to readings.>, cannot subscribe, over WebSocket only.")).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Create role" }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(calls[0]?.body).toMatchObject({
    name: "sensor",
    permissions: {
      publish: { allow: ["readings.>"], deny: [] },
      subscribe: { allow: [], deny: [">"] },
      responses: null,
    },
    connection_types: ["WEBSOCKET"],
  });
});

it("lands a wrong subject on its list, naming it", async () => {
  fakeServer({
    "PATCH /v1/roles/rol_1": {
      status: 400,
      body: problemBody(400, [{ pointer: "/permissions/publish/allow/0", detail: "has an empty token" }]),
    },
  });
  await show(<RoleEditor account={anAccount} role={role} readOnly={false} onClose={() => {}} />);
  await userEvent.click(screen.getByRole("button", { name: "Save role" }));
  expect(await screen.findByText("“readings.>”: has an empty token")).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
});

it("saves against the version it was opened with, and tells when someone was faster", async () => {
  let stale = false;
  const calls = fakeServer({
    "PATCH /v1/roles/rol_1": () =>
      stale ? { status: 412, body: problemBody(412) } : { body: { ...role, etag: '"8"' } },
    "GET /v1/accounts/acc_1/delivery": delivered,
  });
  await show(<RoleEditor account={anAccount} role={role} readOnly={false} onClose={() => {}} />);
  await userEvent.click(screen.getByRole("button", { name: "Save role" }));
  await screen.findByText("In force on every broker");
  expect(calls.find((call) => call.method === "PATCH")?.headers.get("If-Match")).toBe('"7"');
  stale = true;
  await userEvent.click(screen.getByRole("button", { name: "Save role" }));
  await screen.findByText("Someone changed this role meanwhile");
  expect(calls.findLast((call) => call.method === "PATCH")?.headers.get("If-Match")).toBe('"8"');
});

it("forbids both ways with one word, and one way only when asked to", async () => {
  const calls = fakeServer({ "POST /v1/accounts/acc_1/roles": { status: 201, body: role } });
  const onClose = vi.fn();
  await show(<RoleEditor account={anAccount} readOnly={false} onClose={onClose} />);
  await userEvent.type(screen.getByLabelText("Name"), "clerk");
  const never = within(screen.getByRole("group", { name: "Never" }));
  await userEvent.type(
    never.getByRole("combobox", { name: "Subjects it never may publish or subscribe to" }),
    "audit.>{Enter}",
  );
  await userEvent.click(never.getByRole("button", { name: "Close one way only…" }));
  await userEvent.type(never.getByRole("combobox", { name: "Never subscribe to" }), "salaries.>{Enter}");
  await userEvent.click(screen.getByRole("button", { name: "Create role" }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(calls.find((call) => call.method === "POST")?.body).toMatchObject({
    permissions: {
      publish: { allow: [], deny: ["audit.>"] },
      subscribe: { allow: [], deny: ["audit.>", "salaries.>"] },
    },
  });
});

it("shows what a variable comes to for a user", async () => {
  fakeServer({ "GET /v1/accounts/acc_1/users": { body: { items: [aUser], next_cursor: null } } });
  await show(<RoleEditor account={anAccount} readOnly={false} onClose={() => {}} />);
  const publish = screen.getByRole("radiogroup", { name: "May publish to" });
  await userEvent.click(within(publish).getByLabelText("Only these subjects"));
  const subjects = screen.getByRole("combobox", { name: "Subjects it may publish to" });
  // Typed braces are key names to user-event, so each is doubled.
  await userEvent.type(subjects, "{{{{account-name()}}.{{{{name()}}.>{Enter}");
  expect(await screen.findByText("orders.billing.>")).toBeTruthy();
});
