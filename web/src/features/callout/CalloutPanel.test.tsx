import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import type { Account } from "../../api/accounts";
import {
  aCredential,
  aDeviceLogin,
  aDryRun,
  anAccount,
  aRole,
  aUser,
  type Call,
  type Fake,
  fakeServer,
  problemBody,
  show,
} from "../../testing";
import { CalloutPanel } from "./CalloutPanel";
import { SigningKeyPanel } from "./SigningKeyPanel";

const page = (...items: unknown[]) => ({ body: { items, next_cursor: null } });
const other = { ...anAccount, id: "acc_2", name: "shop" };
const on: Account = {
  ...anAccount,
  auth_callout: { auth_users: ["usr_1", aCredential.public_key], allowed_accounts: ["acc_2"], xkey: null },
  signing_keys: [{ public_key: "ASIGNS", description: "the service" }],
};

function serve(update: Fake | ((call: Call) => Fake), more: Record<string, Fake> = {}) {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/users": page(aUser),
    "GET /v1/accounts/acc_1/credentials": page(aCredential),
    "GET /v1/accounts/acc_1/device-logins": page({ ...aDeviceLogin, public_key: "UB" }),
    "GET /v1/accounts/acc_1/roles": page(aRole),
    "GET /v1/accounts/acc_1/refusals": page(),
    "GET /v1/accounts/acc_1/delivery": { body: { revision: 4, in_force: true, brokers: [] } },
    "GET /v1/accounts/acc_2": { body: other },
    "GET /v1/tenants/ten_1/accounts": page(anAccount, other, {
      ...other,
      id: "acc_3",
      name: "far",
      operator_id: "opr_2",
    }),
    "GET /v1/users/usr_1": { body: aUser },
    "PATCH /v1/accounts/acc_1": update,
    ...more,
  });
  return {
    sent: () => calls.filter((call) => call.method === "PATCH" && !call.query.has("dry_run")).map((call) => call.body),
  };
}

// A query by role walks all of the page; so by label, where one will do.
const field = (label: string) => screen.getByLabelText(label, { selector: "input" });

async function pick(label: string, option: string) {
  await userEvent.click(field(label));
  await userEvent.click(await screen.findByRole("option", { name: option }));
}

async function fill(label: string, text: string) {
  await userEvent.click(field(label));
  await userEvent.paste(text);
}

it("is turned on by picking who is not left to it, with its key, and warns what that does", async () => {
  const { sent } = serve((call) => ({ body: call.query.has("dry_run") ? aDryRun(4) : on }));
  await show(<CalloutPanel account={anAccount} mayEdit />);
  await userEvent.click(await screen.findByRole("button", { name: "Leave logins to a service" }));
  await screen.findByText(/Without an answer within two seconds nobody gets in/);
  await userEvent.click(screen.getByRole("button", { name: "Turn on" }));
  await screen.findByText("Pick at least the user that the service itself connects as.");
  expect(sent()).toEqual([]);

  await pick("Not left to the service", "billing");
  await pick("Not left to the service", "boiler room of billing");
  await pick("Other accounts that it may put users into", "shop");
  expect(screen.queryByText("far")).toBeNull();
  await fill("Signing key of the service", "ASIGNS");
  await fill("Encryption key", " XKEY ");
  await userEvent.click(screen.getByText("Preview what this does"));
  await screen.findByText(/Closes 4 of 4/);
  await userEvent.click(screen.getByRole("button", { name: "Turn on" }));
  await screen.findByText("The service decides about logins now");
  expect(sent()).toEqual([
    {
      auth_callout: { auth_users: ["usr_1", "UB"], allowed_accounts: ["acc_2"], xkey: "XKEY" },
      signing_keys: [{ public_key: "ASIGNS", description: "the authorization service" }],
    },
  ]);
});

it("lands the server's words on the fields, naming who is meant", async () => {
  serve({
    status: 422,
    body: problemBody(422, [
      { pointer: "/auth_callout/xkey", detail: "not an encryption key" },
      { pointer: "/signing_keys/0/public_key", detail: "not an account key" },
      { pointer: "/auth_callout/auth_users/1", detail: "not of this account" },
    ]),
  });
  const unsigned = { ...on, signing_keys: [] };
  await show(<CalloutPanel account={unsigned} mayEdit />);
  await screen.findByText(/The account has no signing key/);
  await userEvent.click(screen.getByText("Change"));
  await screen.findByText("Change the authorization service");
  await fill("Signing key of the service", "SEED");
  await userEvent.click(screen.getByRole("button", { name: "Save changes" }));
  await screen.findByText("not an encryption key");
  expect(screen.getByText("not an account key")).toBeTruthy();
  expect(screen.getByText(`“${aCredential.public_key}”: not of this account`)).toBeTruthy();
  expect(field("Encryption key").getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(field("Not left to the service"));
});

it("takes a credential by its public key, which may be pasted", async () => {
  const key = `U${"B".repeat(55)}`;
  const { sent } = serve({ body: on });
  await show(<CalloutPanel account={anAccount} mayEdit />);
  await userEvent.click(await screen.findByRole("button", { name: "Leave logins to a service" }));
  await fill("Not left to the service", key);
  await userEvent.click(await screen.findByRole("option", { name: /^UBBB/ }));
  await userEvent.click(screen.getByRole("button", { name: "Turn on" }));
  await screen.findByText("The service decides about logins now");
  expect(sent()).toEqual([{ auth_callout: { auth_users: [key], allowed_accounts: [], xkey: null } }]);
});

it("says who is not left to it, and why the last login failed, with the way to all of those", async () => {
  const refusal = {
    id: "ref_1",
    reason: "callout_refused",
    explanation: "The account's authorization service did not let it in.",
    detail: "nobody has this token",
    count: 2,
    last_at: "2026-01-02T00:00:00Z",
  };
  serve(
    { body: on },
    {
      "GET /v1/accounts/acc_1/refusals": page(
        { ...refusal, id: "ref_0", reason: "credential_expired", detail: "yesterday", last_at: "2026-01-03T00:00:00Z" },
        refusal,
        { ...refusal, id: "ref_2", reason: "callout_timeout", detail: "", last_at: "2026-01-01T00:00:00Z" },
      ),
    },
  );
  await show(<CalloutPanel account={on} mayEdit={false} />);
  expect(await screen.findByRole("link", { name: "billing" })).toBeTruthy();
  expect(await screen.findByRole("link", { name: "shop" })).toBeTruthy();
  expect(screen.getByText(aCredential.public_key)).toBeTruthy();
  expect(screen.getByText(/Not encrypted/)).toBeTruthy();
  expect(await screen.findByText("Refused 4 times by the service or for want of it")).toBeTruthy();
  expect(screen.getByText("(nobody has this token)")).toBeTruthy();
  expect(screen.getByRole("link", { name: "Refused logins" })).toBeTruthy();
  expect(screen.queryByRole("button", { name: /Turn off|Change/ })).toBeNull();
});

it("is turned off with what that closes", async () => {
  const { sent } = serve((call) => ({ body: call.query.has("dry_run") ? aDryRun(2) : anAccount }));
  await show(<CalloutPanel account={on} mayEdit />);
  await userEvent.click(await screen.findByRole("button", { name: "Turn off" }));
  const dialog = await screen.findByRole("dialog", { name: "Turn the authorization service off?" });
  await within(dialog).findByText(/Closes 2 of 2/);
  await userEvent.click(within(dialog).getByRole("button", { name: "Turn off" }));
  await within(dialog).findByText("Brokers judge logins by themselves again");
  expect(sent()).toEqual([{ auth_callout: null }]);
});

it("adds a signing key under a role, with the server's word on its field", async () => {
  let refusals = 1;
  const { sent } = serve(() =>
    refusals-- > 0
      ? { status: 422, body: problemBody(422, [{ pointer: "/signing_keys/1/public_key", detail: "no account key" }]) }
      : { body: on },
  );
  await show(<SigningKeyPanel account={on} mayEdit />);
  await userEvent.click(screen.getByRole("button", { name: "Add signing key" }));
  const dialog = await screen.findByRole("dialog", { name: "Add a signing key" });
  await fill("Public key", "ASECOND");
  await pick("Those whom it signs", "Are in the role default");
  const add = within(dialog).getByRole("button", { name: "Add signing key" });
  await userEvent.click(add);
  await within(dialog).findByText("no account key");
  await userEvent.click(add);
  await within(dialog).findByText("Whom it signs gets in from now on");
  expect(sent()[1]).toEqual({ signing_keys: [...on.signing_keys, { public_key: "ASECOND", role_id: "rol_1" }] });
});

it("removes a signing key with what that closes, and offers nothing to who may only look", async () => {
  const { sent } = serve((call) => ({ body: call.query.has("dry_run") ? aDryRun(1) : on }));
  const { unmount } = await show(<SigningKeyPanel account={on} mayEdit />);
  await userEvent.click(screen.getByRole("button", { name: "Remove the service" }));
  const removal = await screen.findByRole("dialog", { name: "Remove the service?" });
  await within(removal).findByText(/Closes 1 of 1/);
  await userEvent.click(within(removal).getByText("Remove"));
  await within(removal).findByText("What it has signed is worth nothing any more");
  expect(sent()).toEqual([{ signing_keys: [] }]);
  unmount();
  await show(<SigningKeyPanel account={on} mayEdit={false} />);
  expect(screen.getByText("the service")).toBeTruthy();
  expect(screen.queryByRole("button", { name: /Add|Remove/ })).toBeNull();
});
