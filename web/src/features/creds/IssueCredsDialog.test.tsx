import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aRole, aUser, fakeServer, problemBody, show } from "../../testing";
import { IssueCredsDialog } from "./IssueCredsDialog";

const seed = "SUAGJBVVE2FW4PXVH3KHVDJVGRJXJX2UO4XWBYRYGZPPE5SBE6YWZQ4P5Q";
const creds = `-----BEGIN NATS USER JWT-----\neyJ0\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;

const user = { ...aUser, active_credentials: 0 };

const issued = {
  credential: {
    id: "crd_1",
    account_id: "acc_1",
    user_id: "usr_1",
    name: "laptop",
    public_key: "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4",
    status: "active",
    issued_at: "2026-01-01T00:00:00Z",
    expires_at: null,
    revoked_at: null,
    revoke_reason: "",
  },
  jwt: "eyJ0",
  creds,
  file_name: "billing.creds",
};

const roles = { body: { items: [aRole], next_cursor: null } };

function setup(routes: Parameters<typeof fakeServer>[0]) {
  const calls = fakeServer({ "GET /v1/accounts/acc_1/roles": roles, ...routes });
  const onClose = vi.fn();
  return { calls, onClose };
}

it("shows the file once, with the sentence that says so, and forgets it when closed", async () => {
  const { onClose } = setup({ "POST /v1/users/usr_1/credentials": { status: 201, body: issued } });
  const { queryClient } = await show(<IssueCredsDialog account="acc_1" user={user} opened onClose={onClose} />);
  await screen.findByText("Can publish and subscribe to everything.");
  await userEvent.type(screen.getByLabelText("What these creds are for"), "laptop");
  await userEvent.click(screen.getByRole("button", { name: "Issue creds" }));

  expect((await screen.findByTestId("creds")).textContent).toBe(creds);
  expect(screen.getByText(/only time we can show you this file/)).toBeTruthy();

  // Not saved yet: the first try to close warns, the second goes.
  await userEvent.click(screen.getByRole("button", { name: "Done" }));
  expect(screen.getByRole("alert").textContent).toContain("You have not saved this file");
  expect(onClose).not.toHaveBeenCalled();
  await userEvent.click(screen.getByRole("button", { name: "Close without saving" }));
  expect(onClose).toHaveBeenCalledOnce();

  expect(screen.queryByTestId("creds")).toBeNull();
  expect(document.body.innerHTML).not.toContain(seed);
  const caches = [queryClient.getQueryCache().getAll(), queryClient.getMutationCache().getAll()];
  expect(JSON.stringify(caches.flat().map((entry) => entry.state))).not.toContain(seed);
  expect(JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href).not.toContain(seed);
});

it("closes without a warning when the file was downloaded", async () => {
  const { onClose } = setup({ "POST /v1/users/usr_1/credentials": { status: 201, body: issued } });
  vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:creds");
  await show(<IssueCredsDialog account="acc_1" user={user} opened onClose={onClose} />);
  await userEvent.click(screen.getByRole("button", { name: "Issue creds" }));
  await userEvent.click(await screen.findByRole("button", { name: "Download" }));
  await userEvent.click(screen.getByRole("button", { name: "Done" }));
  expect(onClose).toHaveBeenCalledOnce();
});

it("makes the user first, and after a refusal issues to the one it made", async () => {
  let refusals = 1;
  const { calls, onClose } = setup({
    "POST /v1/accounts/acc_1/users": { status: 201, body: user },
    "POST /v1/users/usr_1/credentials": () =>
      refusals-- > 0
        ? { status: 400, body: problemBody(400, [{ pointer: "/name", detail: "has a control character" }]) }
        : { status: 201, body: issued },
  });
  await show(<IssueCredsDialog account="acc_1" opened onClose={onClose} />);
  await userEvent.type(await screen.findByLabelText("User name"), "billing");
  await userEvent.click(screen.getByRole("button", { name: "Create user and issue creds" }));

  // The credential's name is what was wrong, not the user's.
  await screen.findByText("has a control character");
  expect(screen.getByLabelText("What these creds are for").getAttribute("aria-invalid")).toBe("true");
  expect(screen.getByLabelText("User name").getAttribute("aria-invalid")).not.toBe("true");

  await userEvent.click(screen.getByRole("button", { name: "Create user and issue creds" }));
  await screen.findByTestId("creds");
  expect(calls.filter((call) => call.path === "/v1/accounts/acc_1/users" && call.method === "POST")).toHaveLength(1);
});

it("lands the server's word about a pasted seed on the public key, and sends the expiry that was chosen", async () => {
  const { calls, onClose } = setup({
    "POST /v1/users/usr_1/credentials": {
      status: 400,
      body: problemBody(400, [{ pointer: "/public_key", detail: "this is a seed: keep it to yourself" }]),
    },
  });
  await show(<IssueCredsDialog account="acc_1" user={user} opened onClose={onClose} />);
  await userEvent.click(screen.getByRole("combobox", { name: "Expiry" }));
  await userEvent.click(await screen.findByRole("option", { name: "In 30 days" }));
  await userEvent.click(screen.getByLabelText(/I keep the seed myself/));
  await userEvent.type(screen.getByLabelText("Public key"), "SU…");
  await userEvent.click(screen.getByRole("button", { name: "Issue creds" }));

  await screen.findByText("this is a seed: keep it to yourself");
  const field = screen.getByLabelText("Public key");
  expect(field.getAttribute("aria-invalid")).toBe("true");
  await waitFor(() => expect(document.activeElement).toBe(field));
  expect(calls.find((call) => call.method === "POST")?.body).toMatchObject({ expires_in: "P30D" });
});
