import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import type { OidcIssuer } from "../../api/oidcIssuers";
import { aDryRun, anAccount, anIssuer, aRole, fakeServer, problemBody, show } from "../../testing";
import { IssuerPanel } from "./IssuerPanel";

const page = (items: unknown[]) => ({ body: { items, next_cursor: null } });
const delivery = { body: { revision: 2, in_force: true, brokers: [] } };

const server = (issuers: OidcIssuer[], more: Parameters<typeof fakeServer>[0] = {}) =>
  fakeServer({
    "GET /v1/accounts/acc_1/oidc-issuers": page(issuers),
    "GET /v1/accounts/acc_1/roles": page([{ ...aRole, name: "pipelines" }]),
    "GET /v1/accounts/acc_1/delivery": delivery,
    ...more,
  });

it("says whom tokens stand for, how fresh the keys are and who is revoked", async () => {
  const stale: OidcIssuer = {
    ...anIssuer,
    id: "oid_2",
    url: "https://gitlab.example.org",
    key_ids: ["one"],
    keys_error: "it answers 503",
    rules: anIssuer.rules.map((rule) => ({ ...rule, role_id: "rol_gone" })),
    revoked_subjects: [{ subject: "repo:acme/shop", reason: "in a log", revoked_at: "2026-01-02T00:00:00Z" }],
  };
  server([anIssuer, stale]);
  await show(<IssuerPanel account={anAccount} mayEdit={false} />);
  const fresh = within(await screen.findByRole("article", { name: "https://idp.example.org" }));
  await fresh.findByText("sub matches repo:acme/* → role pipelines as ci-{{repository}}, at most 1 hour");
  expect(fresh.getByText(/^2 keys, read/)).toBeTruthy();
  expect(fresh.queryByText(/revoked/)).toBeNull();
  const other = within(screen.getByRole("article", { name: "https://gitlab.example.org" }));
  expect(other.getByText(/Cannot be read since; 1 key of/)).toBeTruthy();
  expect(other.getByText("it answers 503")).toBeTruthy();
  expect(other.getByText("Its role was deleted: it lets nobody in")).toBeTruthy();
  expect(other.getByText("1 subject revoked")).toBeTruthy();
  expect(other.getByText("in a log")).toBeTruthy();
  expect(screen.queryByRole("button")).toBeNull();
  expect(screen.queryByRole("link", { name: /Edit|Add/ })).toBeNull();
});

it("says what issuers are for when there is none, and where to read on", async () => {
  server([]);
  await show(<IssuerPanel account={anAccount} mayEdit />);
  await screen.findByText("No token issuers");
  expect(screen.getAllByRole("link", { name: "Add issuer" })).toHaveLength(2);
  expect(screen.getByRole("link", { name: "How it works" }).getAttribute("href")).toContain("docs/oidc.md");
});

it("shows what went wrong when they cannot be loaded", async () => {
  server([], { "GET /v1/accounts/acc_1/oidc-issuers": { status: 500, body: problemBody(500) } });
  await show(<IssuerPanel account={anAccount} mayEdit />);
  expect((await screen.findByRole("alert")).textContent).toContain("Could not load the issuers");
});

it("says what closes before an issuer is deleted", async () => {
  const calls = server([anIssuer], {
    "DELETE /v1/oidc-issuers/oid_1": ({ query }) => (query.has("dry_run") ? { body: aDryRun(3) } : { status: 204 }),
  });
  await show(<IssuerPanel account={anAccount} mayEdit />);
  await userEvent.click(await screen.findByRole("button", { name: "Delete https://idp.example.org" }));
  const dialog = await screen.findByRole("dialog", { name: "Delete this issuer?" });
  await within(dialog).findByText("Closes 3 of 3 connections on 1 broker.");
  const deletions = () => calls.filter(({ method, query }) => method === "DELETE" && !query.has("dry_run"));
  expect(deletions()).toHaveLength(0);
  await userEvent.click(within(dialog).getByRole("button", { name: "Delete issuer" }));
  await expect.poll(() => screen.queryByRole("dialog")).toBeNull();
  expect(deletions()).toHaveLength(1);
});

it("revokes a subject with the reason, and says what that closed", async () => {
  let left = 2;
  const calls = server([anIssuer], {
    "POST /v1/oidc-issuers/oid_1/revoke": ({ query }) => {
      if (query.has("dry_run")) return { body: aDryRun(left) };
      left = 0;
      return { body: anIssuer };
    },
  });
  await show(<IssuerPanel account={anAccount} mayEdit />);
  await userEvent.click(
    await screen.findByRole("button", { name: "Revoke a subject's tokens of https://idp.example.org" }),
  );
  const dialog = within(await screen.findByRole("dialog", { name: "Revoke a subject's tokens" }));
  await userEvent.click(dialog.getByLabelText("Subject"));
  await userEvent.paste("repo:acme/shop");
  await userEvent.click(dialog.getByLabelText("Reason"));
  await userEvent.paste("in a log");
  await dialog.findByText("Closes 2 of 2 connections on 1 broker.");
  await userEvent.click(dialog.getByRole("button", { name: "Revoke" }));
  await dialog.findByText("2 connections closed");
  const acts = calls.filter(({ method, query }) => method === "POST" && !query.has("dry_run"));
  expect(acts.map(({ body }) => body)).toEqual([{ subject: "repo:acme/shop", reason: "in a log" }]);
});

it("lands the server's word about a subject on its field", async () => {
  server([anIssuer], {
    "POST /v1/oidc-issuers/oid_1/revoke": {
      status: 400,
      body: problemBody(400, [{ pointer: "/subject", detail: "what tokens have in sub" }]),
    },
  });
  await show(<IssuerPanel account={anAccount} mayEdit />);
  await userEvent.click(await screen.findByRole("button", { name: /^Revoke a subject/ }));
  await userEvent.click(await screen.findByRole("button", { name: "Revoke" }));
  await screen.findByText("what tokens have in sub");
  expect(screen.getByLabelText("Subject").getAttribute("aria-invalid")).toBe("true");
});
