import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { anOperator, fakeServer, problemBody, show } from "../../testing";
import { OperatorPanel } from "./OperatorPanel";

const operator = anOperator;

const broker = (name: string, applied_revision: number, heard_at: string | null) => ({
  id: `brk_${name}`,
  operator_id: "opr_1",
  name,
  cluster: "",
  control_url: "",
  endpoints: { nats: [], websocket: [], mqtt: [], leafnode: [] },
  applied_revision,
  heard_at,
  created_at: "2026-01-01T00:00:00Z",
});

it("tells which brokers have caught up, which are behind and which were never heard", async () => {
  const heard = new Date().toISOString();
  const items = [broker("eu-1", 12, heard), broker("eu-2", 9, heard), broker("eu-3", 0, null)];
  fakeServer({ "GET /v1/operators/opr_1/brokers": { body: { items, next_cursor: null } } });
  await show(<OperatorPanel operator={operator} onEnroll={() => {}} />);
  expect((await screen.findByText("Caught up")).closest("tr")?.textContent).toContain("eu-1");
  expect(screen.getByText("3 revisions behind").closest("tr")?.textContent).toContain("eu-2");
  expect(screen.getByText("Never heard").closest("tr")?.textContent).toContain("eu-3");
});

it("offers to enrol the first broker where there is none", async () => {
  fakeServer({ "GET /v1/operators/opr_1/brokers": { body: { items: [], next_cursor: null } } });
  await show(<OperatorPanel operator={operator} onEnroll={() => {}} />);
  expect(await screen.findByRole("button", { name: "Enrol a broker" })).toBeTruthy();
});

it("removes a broker that is not heard once that is confirmed, and none that is", async () => {
  const now = new Date().toISOString();
  let items = [broker("here", 12, now), broker("lost", 9, "2026-01-01T00:00:00Z")];
  let connected = true;
  const calls = fakeServer({
    "GET /v1/operators/opr_1/brokers": () => ({ body: { items, next_cursor: null } }),
    "DELETE /v1/brokers/brk_lost": () => {
      if (connected) return { status: 409, body: problemBody(409, [], "the broker lost is connected") };
      items = items.slice(0, 1);
      return { status: 204 };
    },
  });
  await show(<OperatorPanel operator={operator} onEnroll={() => {}} />);
  const person = userEvent.setup();
  await person.click(await screen.findByRole("button", { name: "Remove lost" }));
  expect(screen.queryByRole("button", { name: "Remove here" })).toBeNull();
  const dialog = within(await screen.findByRole("dialog"));
  expect(dialog.getByText(/its seat is revoked for good/)).toBeTruthy();
  expect(calls.some(({ method }) => method === "DELETE")).toBe(false);
  await person.click(dialog.getByRole("button", { name: "Remove broker" }));
  expect(await dialog.findByText(/the broker lost is connected/)).toBeTruthy();
  connected = false;
  await person.click(dialog.getByRole("button", { name: "Remove broker" }));
  await waitFor(() => expect(screen.queryByText("lost")).toBeNull());
  expect(screen.getByText("here")).toBeTruthy();
});
