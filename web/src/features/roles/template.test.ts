import { describe, expect, it } from "vitest";
import { credentialKey, expand, type TemplateFacts } from "./template";

const facts: TemplateFacts = {
  userName: "probe-1",
  userTags: ["region:eu", "region:us", "team:ops"],
  accountName: "orders",
  accountKey: "AKEY",
  accountTags: ["env:prod"],
};

describe("a template for one user", () => {
  it.each([
    ["orders.>", ["orders.>"]],
    ["devices.{{name()}}.>", ["devices.probe-1.>"]],
    ["{{account-name()}}.{{account-tag(env)}}", ["orders.prod"]],
    ["keys.{{account-subject()}}.{{subject()}}", [`keys.AKEY.${credentialKey}`]],
    ["{{tag(region)}}.>", ["eu.>", "us.>"]],
    ["{{Tag(region)}}.{{tag(team)}}", ["eu.ops", "us.ops"]],
  ])("%s", (subject, expanded) => {
    expect(expand(subject, facts)).toEqual(expanded);
  });

  it("is no subject at all when the user lacks the tag", () => {
    expect(expand("floor.{{tag(floor)}}.>", facts)).toEqual([]);
  });

  it("leaves what is no variable to be seen", () => {
    expect(expand("{{nmae()}}.>", facts)).toEqual(["{{nmae()}}.>"]);
  });

  it("is no subject when a value has a space", () => {
    expect(expand("{{account-name()}}.>", { ...facts, accountName: "Analytical Engines" })).toEqual([]);
  });
});
