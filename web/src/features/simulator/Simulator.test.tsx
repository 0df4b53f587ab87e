import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { anAccount, aUser, fakeServer, problemBody, show } from "../../testing";
import { Simulator } from "./Simulator";

const users = { body: { items: [aUser], next_cursor: null } };

it("asks what a broker would answer, and shows what decided and every check", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/users": users,
    "POST /v1/simulate": {
      body: {
        allowed: false,
        reason: "publish_denied",
        explanation: "The user may not publish to this subject.",
        detail: null,
        decided_by: {
          check: "publish",
          source: "role",
          pointer: "/permissions/publish/deny/0",
          rule: "audit.{{name()}}",
          subject: "audit.billing",
        },
        steps: [
          { check: "credential", outcome: "assumed", detail: "issued now" },
          { check: "network", outcome: "passed", detail: "10.0.0.0/8" },
          { check: "publish", outcome: "refused", detail: "denied" },
        ],
        filtered: [],
      },
    },
  });
  await show(<Simulator account={anAccount} onUser={vi.fn()} />);
  await userEvent.type(screen.getByLabelText("Subject"), "audit.billing");
  await userEvent.type(screen.getByLabelText("From address"), "10.0.0.1");
  await userEvent.click(await screen.findByRole("button", { name: "Ask" }));
  const answer = await screen.findByText("billing may not publish to audit.billing over NATS from 10.0.0.1");
  expect(answer.closest("[role=status]")?.textContent).toContain(
    "Decided by the role's “Never publish to”: audit.{{name()}}, here audit.billing.",
  );
  const steps = within(screen.getByRole("list", { name: /Checks/ })).getAllByRole("listitem");
  expect(steps.map((step) => step.textContent)).toEqual([
    "CredentialTaken for grantedissued now",
    "NetworkPassed10.0.0.0/8",
    "PublishRefuseddenied",
  ]);
  expect(calls.find(({ method }) => method === "POST")?.body).toEqual({
    account_id: "acc_1",
    user_id: "usr_1",
    action: "publish",
    connection_type: "STANDARD",
    subject: "audit.billing",
    address: "10.0.0.1",
  });
});

it("lands the server's word about the address on its field", async () => {
  fakeServer({
    "GET /v1/accounts/acc_1/users": users,
    "POST /v1/simulate": { status: 400, body: problemBody(400, [{ pointer: "/address", detail: "is no IP address" }]) },
  });
  await show(<Simulator account={anAccount} onUser={vi.fn()} />);
  await userEvent.click(await screen.findByLabelText("Connect"));
  await userEvent.type(screen.getByLabelText("From address"), "home");
  await userEvent.click(screen.getByRole("button", { name: "Ask" }));
  await screen.findByText("is no IP address");
  expect(screen.getByLabelText("From address").getAttribute("aria-invalid")).toBe("true");
});
