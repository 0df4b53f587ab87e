import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { aCredential, fakeServer, problemBody, show } from "../../testing";
import { RevokeDialog } from "./RevokeDialog";

const credential = aCredential;

const connection = (broker: string, user_public_key: string) => ({ broker, user_public_key, address: "192.0.2.1" });

/** cloud is two brokers, three connections of the credential and one of another; brokers confirm one at each poll. */
function cloud() {
  let revoked = false;
  let polls = 0;
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/connections": () => ({
      body: {
        items: [
          ...(revoked ? [] : ["eu-1", "eu-1", "eu-2"].map((broker) => connection(broker, credential.public_key))),
          connection("eu-2", "UOTHER"),
        ],
        brokers_asked: 2,
        brokers_answered: 2,
      },
    }),
    "POST /v1/credentials/crd_1/revoke": () => {
      revoked = true;
      return { body: { ...credential, status: "revoked" } };
    },
    "GET /v1/accounts/acc_1/delivery": () => {
      polls += 1;
      const brokers = ["eu-1", "eu-2"].map((broker, index) => ({
        broker,
        applied_revision: 1,
        in_force: polls > index + 1,
        heard_at: null,
        refusal: null,
      }));
      return { body: { revision: 2, in_force: brokers.every((broker) => broker.in_force), brokers } };
    },
  });
  return calls;
}

it("names the consequence, then shows the brokers confirming and the connections closed", async () => {
  const calls = cloud();
  await show(<RevokeDialog credential={credential} onClose={() => {}} />);
  await screen.findByText(/Closes 3 connections on 2 brokers\./);
  await userEvent.type(screen.getByLabelText("Reason"), "laptop lost");
  await userEvent.click(screen.getByRole("button", { name: "Revoke" }));

  const brokers = await screen.findByRole("list", { name: "Brokers" });
  expect(within(brokers).getAllByText("Waiting").length).toBeGreaterThan(0);
  await screen.findByText("In force on every broker", undefined, { timeout: 3000 });
  expect(within(brokers).getAllByText("Confirmed")).toHaveLength(2);
  expect(await screen.findByText("3 connections closed")).toBeTruthy();
  expect(calls.find((call) => call.method === "POST")?.body).toEqual({ reason: "laptop lost" });
});

it("stays open with what the server said when it refused", async () => {
  fakeServer({
    "GET /v1/accounts/acc_1/connections": { body: { items: [], brokers_asked: 1, brokers_answered: 1 } },
    "POST /v1/credentials/crd_1/revoke": { status: 403, body: problemBody(403, [], "Viewers may not revoke.") },
  });
  await show(<RevokeDialog credential={credential} onClose={() => {}} />);
  await screen.findByText(/Nobody is connected with it now\./);
  await userEvent.click(screen.getByRole("button", { name: "Revoke" }));
  expect((await screen.findByRole("alert")).textContent).toContain("Viewers may not revoke.");
});
