import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { anOperator, fakeServer, problemBody, show } from "../../testing";
import { SystemAccount } from "./SystemAccount";

const operation = {
  id: "opn_1",
  kind: "rotate_system_account",
  status: "waiting",
  stage: "restarts",
  waiting_for: "broker eu-2",
  done: 2,
  total: 3,
};

it("rotates the system account, and names the broker that has not restarted", async () => {
  let refuse = true;
  const calls = fakeServer({
    "POST /v1/operators/opr_1/system-account/rotate": () =>
      refuse ? { status: 409, body: problemBody(409, [], "Detach edge first.") } : { status: 202, body: operation },
    "GET /v1/operations/opn_1": { body: operation },
  });
  await show(<SystemAccount operator={anOperator} />);
  await userEvent.click(screen.getByRole("button", { name: "Rotate the system account" }));
  await userEvent.click(await screen.findByRole("button", { name: "Rotate" }));
  await screen.findByText("Detach edge first.");
  refuse = false;
  await userEvent.click(screen.getByRole("button", { name: "Rotate" }));
  expect((await screen.findByText("Waiting for broker eu-2")).closest("[role=status]")?.textContent).toContain(
    "2 of 3",
  );
  expect(calls.find(({ method }) => method === "POST")?.headers.get("Idempotency-Key")).toBeTruthy();
});
