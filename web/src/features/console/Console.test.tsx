import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { anAccount, fakeServer, problemBody, show } from "../../testing";
import { Console } from "./Console";

const path = "POST /v1/accounts/acc_1/console-session";

it("connects only when asked to, and says why it may not", async () => {
  const calls = fakeServer({
    [path]: { status: 409, body: problemBody(409, [], "The account orders is suspended.") },
  });
  await show(<Console account={anAccount} />);
  expect(screen.getByText("Not connected")).toBeTruthy();
  expect(calls.filter(({ method }) => method === "POST")).toEqual([]);
  await userEvent.click(screen.getByRole("button", { name: "Connect" }));
  expect((await screen.findByRole("alert")).textContent).toContain("The account orders is suspended.");
  expect(screen.getByRole("button", { name: "Connect" })).toBeTruthy();
  expect(screen.queryByText(/allowed_origins/)).toBeNull();
});

it("says what to look for when no broker can be reached over WebSocket", async () => {
  fakeServer({
    [path]: {
      status: 201,
      body: {
        account_id: "acc_1",
        account_public_key: anAccount.public_key,
        user: "ada@example.com",
        may_publish: true,
        expires_at: "2030-01-01T00:00:00Z",
        session_ends_at: "2030-01-02T00:00:00Z",
        websocket: [],
      },
    },
  });
  await show(<Console account={anAccount} />);
  await userEvent.click(screen.getByRole("button", { name: "Connect" }));
  expect((await screen.findByRole("alert")).textContent).toContain("No broker offers WebSocket");
  expect(screen.getByText(/allowed_origins/)).toBeTruthy();
});
