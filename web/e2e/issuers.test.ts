import { generateKeyPairSync, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import { connect } from "@nats-io/transport-node";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, signUp, url as signalbox, visit, whole } from "./browser";

let browser: Browser;
let issuer: Issuer;
beforeAll(async () => {
  browser = await launch();
  issuer = await startIssuer();
});
afterAll(async () => {
  await browser.close();
  await new Promise((resolve) => issuer.server.close(resolve));
});

type Issuer = { server: Server; url: string; token: (claims: object) => string };

/** startIssuer serves discovery and keys as an OpenID Connect issuer does, and signs tokens. */
async function startIssuer(): Promise<Issuer> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...publicKey.export({ format: "jwk" }), kid: "key-1", use: "sig", alg: "ES256" };
  let url = "";
  const server = createServer((request, response) => {
    const answers: Record<string, object> = {
      "/.well-known/openid-configuration": {
        issuer: url,
        jwks_uri: `${url}/keys`,
        authorization_endpoint: `${url}/authorize`,
        response_types_supported: ["id_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["ES256"],
      },
      "/keys": { keys: [key] },
    };
    const answer = answers[request.url ?? ""];
    response.writeHead(answer ? 200 : 404, { "Content-Type": "application/json" });
    response.end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the issuer has no port");
  url = `http://127.0.0.1:${address.port}`;

  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = (claims: object) => {
    const now = Math.floor(Date.now() / 1000);
    const said = { iss: url, aud: "nats", iat: now - 5, exp: now + 600, ...claims };
    const text = `${encode({ alg: "ES256", typ: "JWT", kid: key.kid })}.${encode(said)}`;
    return `${text}.${sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  };
  return { server, url, token };
}

test("an issuer's token lets a client in until its subject is revoked", async () => {
  const { context, page, complaints } = await visit(browser, { reducedMotion: "reduce" });
  await signUp(page);
  const account = /acc_\w+/.exec(page.url())?.[0] ?? "";
  const { public_key: user } = (await (await context.request.get(`${signalbox}/v1/accounts/${account}`)).json()) as {
    public_key: string;
  };
  const endpoints = (await (await context.request.get(`${signalbox}/v1/accounts/${account}/endpoints`)).json()) as {
    nats: string[];
  };
  const servers = endpoints.nats.find((at) => at.startsWith("nats://"));
  const tabs = page.getByRole("navigation", { name: /^Pages of/ });
  await tabs.getByRole("link", { name: "Authentication", exact: true }).click();
  await page.getByText("No token issuers").scrollIntoViewIfNeeded();
  await whole(page, "issuers-none");

  await page.getByRole("link", { name: "Add issuer" }).first().click();
  const drawer = page.getByRole("dialog", { name: "Add token issuer" });
  await drawer.getByLabel("URL").fill(`${issuer.url}/nowhere`);
  await drawer.getByRole("combobox", { name: "Audiences" }).fill("nats");
  await drawer.getByRole("combobox", { name: "Audiences" }).press("Enter");
  await drawer.getByLabel("Rule 1, condition 1: value").fill("repo:acme/*");
  await drawer.getByRole("combobox", { name: "it stands for a user in the role" }).click();
  await page.getByRole("option", { name: "default" }).click();
  await drawer.getByLabel("called").fill("ci-{{repository}}");
  // What is no issuer is said at its field, and nothing is lost.
  await drawer.getByRole("button", { name: "Add issuer" }).click();
  await drawer.locator("[aria-invalid=true]").waitFor();
  expect(await drawer.getByLabel("URL").getAttribute("aria-invalid")).toBe("true");
  await whole(page, "issuers-wrong");
  await drawer.getByLabel("URL").fill(issuer.url);
  await drawer.getByRole("button", { name: "Add issuer" }).click();
  await drawer.waitFor({ state: "detached" });
  const item = page.getByRole("article", { name: issuer.url });
  await item.getByText("sub matches repo:acme/* → role default as ci-{{repository}}").waitFor();
  await item.getByText(/^1 key, read/).waitFor();

  const token = issuer.token({ sub: "repo:acme/shop", repository: "shop" });
  const login = { servers, user, pass: token, tls: null, reconnect: false };
  await expect
    .poll(async () => {
      const answer = await context.request.get(`${signalbox}/v1/accounts/${account}/delivery`);
      return ((await answer.json()) as { in_force: boolean }).in_force;
    })
    .toBe(true);
  const nc = await connect(login);
  const closed = nc.closed();

  await item.getByRole("link", { name: `Edit ${issuer.url}` }).click();
  const editor = page.getByRole("dialog", { name: "Token issuer" });
  await editor.getByRole("button", { name: "Add a rule" }).click();
  await editor.getByRole("button", { name: "Move rule 2 up" }).press("Enter");
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label")))
    .toBe("Move rule 1 down");
  await editor.getByRole("button", { name: "Remove rule 1" }).click();
  await editor.getByLabel("called").fill("pipeline-{{repository}}");
  await editor.getByRole("button", { name: "Preview what this does" }).click();
  await editor.getByText("Closes 1 of 1 connection on 1 broker.").scrollIntoViewIfNeeded();
  await whole(page, "issuers-edit");
  await editor.getByRole("button", { name: "Cancel" }).click();

  await item.getByRole("button", { name: /^Revoke a subject/ }).click();
  const revoke = page.getByRole("dialog", { name: "Revoke a subject's tokens" });
  await revoke.getByLabel("Subject").fill("repo:acme/shop");
  await revoke.getByLabel("Reason").fill("in a log");
  await revoke.getByText("Closes 1 of 1 connection on 1 broker.").waitFor();
  await whole(page, "issuers-revoke");
  await revoke.getByRole("button", { name: "Revoke", exact: true }).click();
  await closed;
  await revoke.getByText("1 connection closed").waitFor();
  await revoke.getByText("In force on every broker").waitFor();
  await whole(page, "issuers-revoked");
  await revoke.getByRole("button", { name: "Done" }).click();
  await item.getByText("1 subject revoked").click();
  await item.getByText("in a log").scrollIntoViewIfNeeded();
  await whole(page, "issuers-issuer");
  await expect(connect(login)).rejects.toThrow();

  await tabs.getByRole("link", { name: "Connections", exact: true }).click();
  await page
    .getByRole("table", { name: "Refused logins" })
    .getByText(/credential_revoked/)
    .waitFor();

  await tabs.getByRole("link", { name: "Authentication", exact: true }).click();
  await item.getByRole("button", { name: `Delete ${issuer.url}` }).click();
  const remove = page.getByRole("dialog", { name: "Delete this issuer?" });
  await remove.getByText("Closes no connection.").waitFor();
  await whole(page, "issuers-delete");
  await remove.getByRole("button", { name: "Delete issuer" }).click();
  await page.getByText("No token issuers").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
