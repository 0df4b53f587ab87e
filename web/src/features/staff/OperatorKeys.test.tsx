import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { anOperator, fakeServer, show } from "../../testing";
import { OperatorKeys } from "./OperatorKeys";

const key = { public_key: "OONE", status: "active", created_at: "2026-01-01T00:00:00Z", retired_at: null };
const operation = {
  id: "opn_1",
  kind: "rotate_signing_key",
  status: "waiting",
  stage: "trust",
  waiting_for: "broker eu-2",
  done: 1,
  total: 3,
};

it("rotates the signing key, and names whom it waits for", async () => {
  const calls = fakeServer({
    "GET /v1/operators/opr_1/signing-keys": { body: { items: [key] } },
    "POST /v1/operators/opr_1/signing-keys/rotate": { status: 202, body: operation },
    "GET /v1/operations/opn_1": { body: operation },
  });
  await show(<OperatorKeys operator={anOperator} />);
  await screen.findByText("Signs accounts");
  await userEvent.click(screen.getByRole("button", { name: "Rotate the signing key" }));
  await userEvent.click(await screen.findByRole("button", { name: "Rotate" }));
  expect((await screen.findByText("Waiting for broker eu-2")).closest("[role=status]")?.textContent).toContain(
    "1 of 3",
  );
  const post = calls.find(({ method }) => method === "POST");
  expect(post?.body).toEqual({ servers_restarted: false });
  expect(post?.headers.get("Idempotency-Key")).toBeTruthy();
});
