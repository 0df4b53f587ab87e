import { expect, it } from "vitest";
import { validateReturn } from "./router";

it("returns after log-in to pages of ours alone", () => {
  expect(validateReturn({ return: "/accounts/acc_1/users" })).toEqual({ return: "/accounts/acc_1/users" });
  for (const target of [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    7,
    undefined,
  ]) {
    expect(validateReturn({ return: target })).toEqual({});
  }
});
