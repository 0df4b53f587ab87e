import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import type { BrokerReceipt, Server } from "../../api/operators";
import { anOperator, fakeServer, problemBody, show } from "../../testing";
import { OperatorServers } from "./OperatorServers";

const operator = anOperator;

const server = (name: string, away = false): Server => ({
  id: `srv_${name}`,
  operator_id: "opr_1",
  name,
  urls: [`nats://${name}:4222`],
  members: [{ name: `${name}-1`, version: "2.15.2", away, applied_revision: 12 }],
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  etag: '"1"',
});

const receipt = (name: string, what: Partial<BrokerReceipt> = {}): BrokerReceipt => ({
  kind: "server",
  broker_id: `srv_${name}`,
  broker: name,
  cluster: "",
  applied_revision: 12,
  lag: 0,
  heard_at: new Date().toISOString(),
  connected: true,
  last_error: null,
  refusals: [],
  ...what,
});

const page = (...items: Server[]) => ({ body: { items, next_cursor: null } });
const delivery = (...brokers: BrokerReceipt[]) => ({ body: { revision: 12, in_force: false, brokers } });

it("tells what each server has confirmed, and what is wrong with it", async () => {
  const refusal = { account_public_key: "A", revision: 12, reason: "full-1: jwt validation failed" };
  fakeServer({
    "GET /v1/operators/opr_1/servers": page(
      server("good"),
      server("gone"),
      server("full"),
      server("half", true),
      server("slow"),
    ),
    "GET /v1/operators/opr_1/delivery": delivery(
      receipt("good"),
      receipt("gone", { connected: false, last_error: "connection refused", lag: 3 }),
      receipt("full", { refusals: [refusal] }),
      receipt("half"),
      receipt("slow", { lag: 2, applied_revision: 10 }),
    ),
  });
  await show(<OperatorServers operator={operator} />);
  const row = async (text: string) => (await screen.findByText(text)).closest("tr")?.textContent;
  expect(await row("Caught up")).toContain("nats://good:4222");
  expect(await row("Not connected: connection refused")).toContain("gone");
  expect(await row("Refuses 1 account: full-1: jwt validation failed")).toContain("full");
  expect(await row("Away: half-1")).toContain("half");
  expect(await row("2 revisions behind")).toContain("slow");
});

it("attaches a server by name and URLs, and lands what is wrong on its field", async () => {
  let refuse = true;
  const calls = fakeServer({
    "GET /v1/operators/opr_1/servers": page(),
    "GET /v1/operators/opr_1/delivery": delivery(),
    "POST /v1/operators/opr_1/servers": () =>
      refuse
        ? { status: 400, body: problemBody(400, [{ pointer: "/urls/1", detail: "a URL is needed" }]) }
        : { status: 201, body: server("edge") },
  });
  await show(<OperatorServers operator={operator} />);
  const person = userEvent.setup();
  await person.click(await screen.findByRole("button", { name: "Attach a server" }));
  const dialog = within(await screen.findByRole("dialog"));
  await person.type(dialog.getByLabelText("Name"), "edge");
  await person.type(dialog.getByLabelText("URLs"), "nats://a:4222{Enter}zzz");
  await person.click(dialog.getByRole("button", { name: "Attach server" }));
  expect(await dialog.findByText("“zzz”: a URL is needed")).toBeTruthy();
  refuse = false;
  await person.click(dialog.getByRole("button", { name: "Attach server" }));
  await expect.poll(() => calls.filter((call) => call.method === "POST").length).toBe(2);
  expect(calls.findLast((call) => call.method === "POST")?.body).toEqual({
    name: "edge",
    urls: ["nats://a:4222", "zzz"],
  });
  await expect.poll(() => screen.queryByRole("dialog")).toBeNull();
});

it("detaches a server once it was said what that means", async () => {
  const calls = fakeServer({
    "GET /v1/operators/opr_1/servers": page(server("edge")),
    "GET /v1/operators/opr_1/delivery": delivery(receipt("edge")),
    "DELETE /v1/servers/srv_edge": { status: 204 },
  });
  await show(<OperatorServers operator={operator} />);
  const person = userEvent.setup();
  await person.click(await screen.findByRole("button", { name: "Detach edge" }));
  const dialog = within(await screen.findByRole("dialog"));
  expect(dialog.getByText(/creds that are revoked from now on still work/)).toBeTruthy();
  await person.click(dialog.getByRole("button", { name: "Detach server" }));
  await expect.poll(() => calls.some((call) => call.method === "DELETE")).toBe(true);
  await expect.poll(() => screen.queryByRole("dialog")).toBeNull();
});
