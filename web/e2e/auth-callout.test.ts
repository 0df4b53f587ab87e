import { connect, credsAuthenticator, type NatsConnection, nkeys, tokenAuthenticator } from "@nats-io/transport-node";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCreds, launch, signUp, snippet, visit, whole } from "./browser";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

type KeyPair = ReturnType<typeof nkeys.createAccount>;

/** sign makes a JWT of NATS. */
function sign(by: KeyPair, claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const issued = Math.floor(Date.now() / 1000);
  const body = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part({ iss: by.getPublicKey(), iat: issued, ...claims })}`;
  return `${body}.${Buffer.from(by.sign(new TextEncoder().encode(body))).toString("base64url")}`;
}

type Request = {
  sub: string;
  nats: { server_id: { id: string }; user_nkey: string; connect_opts: { auth_token?: string } };
};

/** serve lets in who has the token, and says why it does not. */
function serve(nc: NatsConnection, signing: KeyPair, box: KeyPair, token: string): void {
  nc.subscribe("$SYS.REQ.USER.AUTH", {
    callback: (_, message) => {
      const sender = message.headers?.get("Nats-Server-Xkey") ?? "";
      const opened = box.open(message.data, sender);
      if (!opened) return;
      const [, payload = ""] = new TextDecoder().decode(opened).split(".");
      const request = JSON.parse(Buffer.from(payload, "base64url").toString()) as Request;
      const { server_id, user_nkey, connect_opts } = request.nats;
      const known = connect_opts.auth_token === token;
      const user = sign(signing, {
        sub: user_nkey,
        name: "till-7",
        nats: {
          type: "user",
          version: 2,
          issuer_account: request.sub,
          pub: { allow: ["readings.>"] },
          sub: {},
          subs: -1,
          data: -1,
          payload: -1,
        },
      });
      const response = sign(signing, {
        sub: user_nkey,
        aud: server_id.id,
        nats: {
          type: "authorization_response",
          version: 2,
          issuer_account: request.sub,
          ...(known ? { jwt: user } : { error: "nobody has this token" }),
        },
      });
      message.respond(box.seal(new TextEncoder().encode(response), sender));
    },
  });
}

test("a service of the account's own, turned on in the page, lets in whom it knows until it is turned off", async () => {
  const { context, page, complaints } = await visit(browser, { reducedMotion: "reduce" });
  await signUp(page);
  const account = /acc_\w+/.exec(page.url())?.[0];
  const door = await createCreds(page);
  const servers = /--server (\S+)/.exec(await snippet(page, "cli"))?.[1];
  const dial = (creds: string, token?: string) =>
    connect({
      tls: null, // it would have to know the authority
      servers,
      reconnect: false,
      authenticator: [
        credsAuthenticator(new TextEncoder().encode(creds)),
        ...(token === undefined ? [] : [tokenAuthenticator(token)]),
      ],
    });
  const made = await page.request.post(`/v1/accounts/${account}/users`, { data: { name: "service" } });
  const { id } = (await made.json()) as { id: string };
  const issued = await page.request.post(`/v1/users/${id}/credentials`, {
    data: {},
    headers: { Accept: "text/plain" },
  });
  const serviceCreds = await issued.text();
  const [signing, box] = [nkeys.createAccount(), nkeys.createCurve()];
  const before = await dial(door.content);
  const beforeClosed = before.closed();

  await page
    .getByRole("navigation", { name: /^Pages of/ })
    .getByRole("link", { name: "Authentication" })
    .click();
  await page.getByText("Brokers judge logins by themselves").waitFor();
  await whole(page, "callout-off");
  await page.getByRole("button", { name: "Leave logins to a service" }).click();
  const drawer = page.getByRole("dialog", { name: "Leave logins to a service" });
  await drawer.getByRole("combobox", { name: "Not left to the service" }).fill("serv");
  await page.getByRole("option", { name: "service", exact: true }).click();
  await drawer.getByLabel("Signing key of the service").fill("not a key");
  await drawer.getByLabel("Encryption key").fill(box.getPublicKey());
  await drawer.getByRole("button", { name: "Turn on" }).click();
  await expect.poll(() => drawer.getByLabel("Signing key of the service").getAttribute("aria-invalid")).toBe("true");
  await drawer.getByLabel("Signing key of the service").fill(signing.getPublicKey());
  await drawer.getByRole("button", { name: "Preview what this does" }).click();
  await drawer.getByText("Closes 1 of 1 connection").waitFor();
  await whole(page, "callout-turning-on");
  await drawer.getByRole("button", { name: "Turn on" }).click();
  await drawer.getByText("The service decides about logins now").waitFor();
  await drawer.getByText("In force on every broker").waitFor();
  await drawer.getByRole("button", { name: "Done" }).click();
  await beforeClosed;

  const service = await dial(serviceCreds);
  serve(service, signing, box, "token-of-till-7");
  await service.flush();
  const till = await dial(door.content, "token-of-till-7");
  const tillClosed = till.closed();
  const heard = service.subscribe("readings.7", { max: 1 });
  await service.flush();
  till.publish("readings.7", "20 kWh");
  for await (const message of heard) expect(message.string()).toBe("20 kWh");
  await expect(dial(door.content, "token-of-nobody")).rejects.toThrow(/authorization/i);

  // The client heard "Authorization Violation"; its owner can read what the service said.
  const panel = page.getByRole("region", { name: "Authorization service (auth callout)" });
  await panel.getByText("nobody has this token").waitFor();
  await panel.getByRole("link", { name: "service", exact: true }).waitFor();
  await page.getByRole("table", { name: "Signing keys" }).getByText("the authorization service").waitFor();
  await whole(page, "callout-on");
  await panel.getByRole("link", { name: "Refused logins" }).click();
  await page.getByRole("table", { name: "Refused logins" }).getByText("nobody has this token").waitFor();
  await page.goBack();

  await panel.getByRole("button", { name: "Turn off" }).click();
  const ending = page.getByRole("dialog", { name: "Turn the authorization service off?" });
  await ending.getByText(/^Closes 1 of 2 connections/).waitFor();
  await ending.getByRole("button", { name: "Turn off" }).click();
  await page.getByText("Brokers judge logins by themselves again").waitFor();
  await tillClosed;
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: "Leave logins to a service" }).waitFor();
  const after = await dial(door.content);
  await after.close();
  await service.close();
  expect(complaints).toEqual([]);
  await context.close();
});
