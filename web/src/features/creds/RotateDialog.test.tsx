import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aCredential, aUser, fakeServer, show } from "../../testing";
import { RotateDialog } from "./RotateDialog";

const second = { ...aCredential, id: "crd_2", public_key: "USECOND", issued_at: "2026-02-01T00:00:00Z" };

/** cloud has one client on the first credential until it is revoked; afterwards it is on the second. */
function cloud() {
  let revoked = false;
  return fakeServer({
    "GET /v1/accounts/acc_1/roles": { body: { items: [], next_cursor: null } },
    "POST /v1/users/usr_1/credentials": {
      status: 201,
      body: { credential: second, jwt: "eyJ0", creds: "SEED", file_name: "billing.creds" },
    },
    "GET /v1/accounts/acc_1/connections": () => ({
      body: {
        items: [
          {
            broker: "eu-1",
            name: "checkout",
            address: "192.0.2.1",
            user_public_key: revoked ? second.public_key : aCredential.public_key,
            connected_at: "2026-02-01T00:00:00Z",
          },
        ],
        brokers_asked: 1,
        brokers_answered: 1,
      },
    }),
    "POST /v1/credentials/crd_1/revoke": () => {
      revoked = true;
      return { body: { ...aCredential, status: "revoked" } };
    },
    "GET /v1/accounts/acc_1/delivery": { body: { revision: 2, in_force: true, brokers: [] } },
  });
}

it("issues the second, shows who still uses the first, and revokes it last", async () => {
  const calls = cloud();
  const onClose = vi.fn();
  await show(<RotateDialog user={aUser} credential={aCredential} credentials={[aCredential]} onClose={onClose} />);
  const steps = within(await screen.findByRole("list", { name: "Steps of the rotation" }));
  expect(steps.getByText("Issue the second").closest("li")?.getAttribute("aria-current")).toBe("step");
  await userEvent.click(screen.getByRole("button", { name: "Issue creds" }));
  expect((await screen.findByTestId("creds")).textContent).toBe("SEED");

  // Not saved yet: going on asks first, as closing does.
  await userEvent.click(screen.getByRole("button", { name: "Next: roll it out" }));
  expect(screen.getByRole("alert").textContent).toContain("You have not saved this file");
  await userEvent.click(screen.getByRole("button", { name: "Go on without saving" }));
  expect(screen.queryByTestId("creds")).toBeNull();

  await screen.findByText("The first is still used by 1 client");
  const table = screen.getByRole("table", { name: "Still using the first" });
  expect(within(table).getByText("checkout").closest("tr")?.textContent).toContain("192.0.2.1");
  await userEvent.click(screen.getByRole("button", { name: "Revoke" }));
  await screen.findByText("Nobody uses the first now");
  await screen.findByText("The second is used by 1 client");
  expect(calls.find((call) => call.path.endsWith("/revoke"))?.body).toEqual({ reason: "Rotated" });
});

it("goes on with a second that was issued earlier", async () => {
  const calls = cloud();
  await show(
    <RotateDialog user={aUser} credential={aCredential} credentials={[second, aCredential]} onClose={vi.fn()} />,
  );
  await userEvent.click(await screen.findByRole("button", { name: "Go on with it" }));
  await screen.findByText("Nobody uses the second yet");
  expect(calls.some((call) => call.method === "POST")).toBe(false);
});
