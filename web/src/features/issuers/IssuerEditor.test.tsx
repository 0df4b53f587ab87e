import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import type { OidcIssuer } from "../../api/oidcIssuers";
import { aDryRun, anAccount, anIssuer, aRole, fakeServer, problemBody, show } from "../../testing";
import { IssuerEditor } from "./IssuerEditor";

const roles = {
  body: {
    items: [
      { ...aRole, name: "pipelines" },
      { ...aRole, id: "rol_2", name: "hidden", private: true },
    ],
    next_cursor: null,
  },
};

async function fill(field: HTMLElement, text: string) {
  await userEvent.click(field);
  await userEvent.paste(text);
}

it("adds an issuer with rules of conditions, role, name, tags and lifetime", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/roles": roles,
    "POST /v1/accounts/acc_1/oidc-issuers": { status: 201, body: anIssuer },
  });
  const close = vi.fn();
  await show(<IssuerEditor account={anAccount} readOnly={false} onClose={close} />);
  await fill(screen.getByLabelText("URL"), "https://idp.example.org");
  await fill(screen.getByRole("combobox", { name: "Audiences" }), "nats,");
  const rule = within(screen.getByRole("group", { name: "Rule 1" }));
  await fill(rule.getByLabelText("Rule 1, condition 1: value"), "repo:acme/*");
  await userEvent.click(rule.getByText("And"));
  await fill(rule.getByLabelText("Rule 1, condition 2: claim"), "repository_owner");
  await fill(rule.getByLabelText("Rule 1, condition 2: value"), "acme");
  await userEvent.click(rule.getByRole("combobox", { name: "it stands for a user in the role" }));
  await userEvent.click(await screen.findByText("pipelines"));
  expect(screen.queryByText("hidden")).toBeNull();
  await fill(rule.getByLabelText("called"), "ci-{{repository}}");
  await fill(rule.getByRole("combobox", { name: "with the tags" }), "ref:{{ref}},");
  await fill(rule.getByLabelText("at most for"), "1");
  await userEvent.click(screen.getByRole("button", { name: "Add issuer" }));
  await expect.poll(() => close.mock.calls.length).toBe(1);
  expect(calls.find(({ method }) => method === "POST")?.body).toEqual({
    url: "https://idp.example.org",
    description: "",
    audiences: ["nats"],
    rules: [
      {
        conditions: [
          { claim: "sub", match: "glob", value: "repo:acme/*" },
          { claim: "repository_owner", match: "exact", value: "acme" },
        ],
        role_id: "rol_1",
        name: "ci-{{repository}}",
        tags: ["ref:{{ref}}"],
        max_lifetime: "PT86400S",
      },
    ],
  });
});

const named = (name: string) => ({ ...anIssuer.rules[0], name }) as OidcIssuer["rules"][number];
const three: OidcIssuer = { ...anIssuer, rules: [named("first"), named("second"), named("third")] };

it("moves, adds and removes rules by keyboard, previews and saves them under the ETag", async () => {
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/roles": roles,
    "GET /v1/accounts/acc_1/delivery": { body: { revision: 1, in_force: true, brokers: [] } },
    "PATCH /v1/oidc-issuers/oid_1": ({ query, body }) =>
      query.has("dry_run") ? { body: aDryRun(4) } : { body: { ...three, ...(body as object), etag: '"2"' } },
  });
  await show(<IssuerEditor account={anAccount} issuer={three} readOnly={false} onClose={() => {}} />);
  const names = () => screen.getAllByLabelText<HTMLInputElement>("called").map(({ value }) => value);

  screen.getByLabelText("Move rule 3 up").focus();
  await userEvent.keyboard("{Enter}");
  expect(names()).toEqual(["first", "third", "second"]);
  expect(document.activeElement?.getAttribute("aria-label")).toBe("Move rule 2 up");
  expect(screen.getByText("Now rule 2 of 3")).toBeTruthy();
  await userEvent.keyboard("{Enter}");
  expect(names()).toEqual(["third", "first", "second"]);
  // At the top there is only one way left.
  expect(document.activeElement?.getAttribute("aria-label")).toBe("Move rule 1 down");
  await userEvent.click(screen.getByLabelText("Remove rule 2"));
  expect(names()).toEqual(["third", "second"]);
  await userEvent.click(screen.getByRole("button", { name: "Add a rule" }));
  expect(names()).toEqual(["third", "second", ""]);
  await userEvent.click(screen.getByLabelText("Remove rule 3"));

  await userEvent.click(screen.getByRole("button", { name: "Preview what this does" }));
  await screen.findByText("Closes 4 of 4 connections on 1 broker.");
  await userEvent.click(screen.getByRole("button", { name: "Save issuer" }));
  await screen.findByText("In force on every broker");
  const save = calls.find(({ method, query }) => method === "PATCH" && !query.has("dry_run"));
  expect(save?.headers.get("If-Match")).toBe(anIssuer.etag);
  expect((save?.body as OidcIssuer).rules.map(({ name }) => name)).toEqual(["third", "second"]);
});

it("lands the server's words on the fields they are about", async () => {
  fakeServer({
    "GET /v1/accounts/acc_1/roles": roles,
    "PATCH /v1/oidc-issuers/oid_1": {
      status: 400,
      body: problemBody(400, [
        { pointer: "/url", detail: "its keys cannot be read" },
        { pointer: "/audiences/0", detail: "too long" },
        { pointer: "/rules/1/conditions/0/value", detail: "1 to 256 characters" },
        { pointer: "/rules/1/role_id", detail: "there is no such role" },
        { pointer: "/rules/1/name", detail: "a template is needed" },
        { pointer: "/rules/1/tags/0", detail: "no tag" },
        { pointer: "/rules/1/max_lifetime", detail: "P1D at most" },
      ]),
    },
  });
  const two = { ...anIssuer, rules: three.rules.slice(1) };
  await show(<IssuerEditor account={anAccount} issuer={two} readOnly={false} onClose={() => {}} />);
  await userEvent.click(screen.getByRole("button", { name: "Save issuer" }));
  await screen.findByText("its keys cannot be read");
  expect(screen.getByLabelText("URL").getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(screen.getByLabelText("URL"));
  expect(screen.getByText("too long")).toBeTruthy();
  const wrong = within(screen.getByRole("group", { name: "Rule 2" }));
  for (const word of [
    "1 to 256 characters",
    "there is no such role",
    "a template is needed",
    "no tag",
    "P1D at most",
  ]) {
    expect(wrong.getByText(word), word).toBeTruthy();
  }
  expect(wrong.getByLabelText("Rule 2, condition 1: value").getAttribute("aria-invalid")).toBe("true");
  expect(screen.queryByRole("alert")).toBeNull();
});

it("offers nothing to who may only look", async () => {
  fakeServer({ "GET /v1/accounts/acc_1/roles": roles });
  await show(<IssuerEditor account={anAccount} issuer={anIssuer} readOnly onClose={() => {}} />);
  expect(screen.queryByRole("button", { name: /Save|Cancel|Add a rule/ })).toBeNull();
  expect(screen.getByLabelText("URL").closest("fieldset")?.disabled).toBe(true);
});
