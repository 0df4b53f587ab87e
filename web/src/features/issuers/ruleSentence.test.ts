import { expect, it } from "vitest";
import { ruleSentence } from "./ruleSentence";

it("says a rule in plain words", () => {
  const rule = {
    conditions: [{ claim: "sub", match: "glob" as const, value: "repo:acme/*" }],
    role_id: "rol_1",
    name: "ci-{{repository}}",
  };
  expect(ruleSentence({ ...rule, max_lifetime: "PT1H" }, "pipelines")).toBe(
    "sub matches repo:acme/* → role pipelines as ci-{{repository}}, at most 1 hour",
  );
  const conditions = [
    { claim: "owner", match: "exact" as const, value: "acme" },
    { claim: "ref", match: "prefix" as const, value: "refs/tags/" },
  ];
  expect(ruleSentence({ ...rule, conditions, tags: ["ref:{{ref}}", "ci"], max_lifetime: null }, "pipelines")).toBe(
    "owner is acme and ref starts with refs/tags/ → role pipelines as ci-{{repository}}, tagged ref:{{ref}} ci",
  );
});
