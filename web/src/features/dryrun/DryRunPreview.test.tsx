import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { dryRunRole, type DryRun } from "../../api/dryRun";
import { aRole, fakeServer, problemBody, show } from "../../testing";
import { DryRunPreview } from "./DryRunPreview";

const dryRun: DryRun = {
  changes: [{ account_id: "acc_1", path: "/nats/limits/conn", from: 10, to: null }],
  affected: {
    connections: 40,
    connections_closed: 12,
    connections_changed: 1,
    subscriptions: 30,
    users: 3,
    credentials: 4,
    brokers_asked: 3,
    brokers_answered: 2,
    by_broker: [
      { broker: "eu-1", connections: 20, closed: 7 },
      { broker: "eu-2", connections: 20, closed: 5 },
      { broker: "eu-3", connections: 0, closed: 0 },
    ],
    closing: [],
  },
  warnings: ["The role may do nothing at all."],
  claims: [],
};

const preview = (name: string) => <DryRunPreview body={{ name }} run={() => dryRunRole(aRole, { name })} />;

it("names the consequence with numbers, and asks without changing anything", async () => {
  const calls = fakeServer({ "PATCH /v1/roles/rol_1": { body: dryRun } });
  await show(preview("sensor"));
  await userEvent.click(screen.getByRole("button", { name: "Preview what this does" }));
  const answer = await screen.findByRole("status");
  expect(answer.textContent).toContain("Closes 12 of 40 connections on 2 brokers.");
  expect(answer.textContent).toContain("1 broker did not answer");
  expect(answer.textContent).toContain("The role may do nothing at all.");
  expect(screen.getByText("/nats/limits/conn").closest("tr")?.textContent).toContain("10");
  expect(calls[0]?.query.get("dry_run")).toBe("true");
  expect(calls[0]?.headers.get("If-Match")).toBe(aRole.etag);
});

it("says what the server would refuse", async () => {
  fakeServer({
    "PATCH /v1/roles/rol_1": { status: 400, body: problemBody(400, [{ pointer: "/name", detail: "is taken" }]) },
  });
  await show(preview("sensor"));
  await userEvent.click(screen.getByRole("button", { name: "Preview what this does" }));
  expect((await screen.findByRole("alert")).textContent).toContain("is taken");
});
