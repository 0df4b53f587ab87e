import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aDeviceLogin, aUser, type Call, type Fake, fakeServer, problemBody, show } from "../../testing";
import { CreateLoginDialog } from "./CreateLoginDialog";

const secret = "sbl_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v";

const endpoints = {
  body: {
    nats: ["nats://eu.example.org:4222", "tls://eu.example.org:4222"],
    tls: ["tls://eu.example.org:4222"],
    mqtt: ["mqtt://eu.example.org:1883"],
    mqtts: [],
    ca_pem: "-----BEGIN CERTIFICATE-----",
  },
};

function setup(answer: Fake | ((call: Call) => Fake)) {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/endpoints": endpoints,
    "POST /v1/users/usr_1/device-logins": answer,
  });
  return { onClose: vi.fn(), sent: () => calls.find((call) => call.method === "POST")?.body };
}

async function choose(label: string, option: string) {
  await userEvent.click(screen.getByRole("combobox", { name: label }));
  await userEvent.click(await screen.findByRole("option", { name: option }));
}

const create = () => userEvent.click(screen.getByRole("button", { name: "Create device login" }));

it("shows the password once, with how clients use it, and forgets it when closed", async () => {
  const { onClose, sent } = setup({ status: 201, body: { device_login: aDeviceLogin, secret } });
  const { queryClient } = await show(<CreateLoginDialog user={aUser} opened onClose={onClose} />);
  await userEvent.type(screen.getByLabelText("User name"), "boiler");
  await userEvent.type(screen.getByLabelText("What it is for"), "boiler room");
  await choose("Expiry", "In a year");
  await create();

  expect((await screen.findByTestId("login-secret")).textContent).toBe(secret);
  expect(screen.getByText(/only time we can show you this secret/)).toBeTruthy();
  expect(sent()).toEqual({ kind: "password", username: "boiler", description: "boiler room", expires_in: "P365D" });

  expect((await screen.findByTestId("login-snippet")).textContent).toBe(
    `nats --server tls://eu.example.org:4222 \\\n  --user boiler --password ${secret} --tlsca ca.pem \\\n  pub hello world`,
  );
  await userEvent.click(screen.getByRole("radio", { name: "mosquitto" }));
  expect(screen.getByTestId("login-snippet").textContent).toBe(
    `mosquitto_pub -h eu.example.org -p 1883 \\\n  -u boiler -P ${secret} \\\n  -t hello -m world`,
  );

  // Not copied yet: the first try to close warns, the second goes.
  await userEvent.click(screen.getByRole("button", { name: "Done" }));
  expect(screen.getByRole("alert").textContent).toContain("You have not copied the secret");
  expect(onClose).not.toHaveBeenCalled();
  await userEvent.click(screen.getByRole("button", { name: "Close without copying" }));
  expect(onClose).toHaveBeenCalledOnce();
  expect(document.body.innerHTML).not.toContain(secret);
  const caches = [queryClient.getQueryCache().getAll(), queryClient.getMutationCache().getAll()];
  expect(JSON.stringify(caches.flat().map((entry) => entry.state))).not.toContain(secret);
});

it("sends what a certificate is to match, and names the account's key as the user name", async () => {
  const match = { kind: "dns" as const, value: "pump-7.example.org" };
  const login = { ...aDeviceLogin, kind: "certificate" as const, username: "AACCOUNT", match };
  const { onClose, sent } = setup({ status: 201, body: { device_login: login, warning: "No authorities." } });
  await show(<CreateLoginDialog user={aUser} opened onClose={onClose} />);
  await choose("What the client shows", "Certificate");
  await choose("Compare its", "DNS name");
  await userEvent.type(screen.getByLabelText("with"), "pump-7.example.org");
  await create();

  expect((await screen.findByTestId("login-snippet")).textContent).toContain("tls://AACCOUNT@eu.example.org:4222");
  expect(screen.getByText("No authorities.")).toBeTruthy();
  expect(screen.queryByTestId("login-secret")).toBeNull();
  expect(sent()).toEqual({ kind: "certificate", match });
  await userEvent.click(screen.getByRole("button", { name: "Done" }));
  expect(onClose).toHaveBeenCalledOnce();
});

it("offers nothing for MQTT to an nkey, and lands the server's word about it on the field", async () => {
  let refusals = 1;
  const login = { ...aDeviceLogin, kind: "nkey" as const, username: "AACCOUNT" };
  const { onClose } = setup(() =>
    refusals-- > 0
      ? {
          status: 409,
          body: problemBody(409, [{ pointer: "/public_key", detail: "the account has this key already" }]),
        }
      : { status: 201, body: { device_login: login } },
  );
  await show(<CreateLoginDialog user={aUser} opened onClose={onClose} />);
  await choose("What the client shows", "Nkey");
  await userEvent.type(screen.getByLabelText("Public key"), "UKEY");
  await create();
  await screen.findByText("the account has this key already");
  expect(screen.getByLabelText("Public key").getAttribute("aria-invalid")).toBe("true");
  await create();
  await userEvent.click(await screen.findByRole("radio", { name: "JavaScript" }));
  expect(screen.getByTestId("login-snippet").textContent).toContain('usernamePasswordAuthenticator("AACCOUNT")');
  expect(screen.queryByRole("radio", { name: "mosquitto" })).toBeNull();
  expect(screen.getAllByRole("radio")).toHaveLength(2);
});

it("says at the kind why the role's connections cannot carry it", async () => {
  const detail = "nobody could log in with it over connections of the type MQTT";
  const { onClose } = setup({ status: 409, body: problemBody(409, [{ pointer: "/kind", detail }]) });
  await show(<CreateLoginDialog user={aUser} opened onClose={onClose} />);
  await create();
  await screen.findByText(detail);
  expect(screen.getByRole("combobox", { name: "What the client shows" }).getAttribute("aria-invalid")).toBe("true");
});
