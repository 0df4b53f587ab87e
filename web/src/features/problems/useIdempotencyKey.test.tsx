import { renderHook } from "@testing-library/react";
import { expect, it } from "vitest";
import { Problem } from "../../api/client";
import { useIdempotencyKey } from "./useIdempotencyKey";

const lost = new TypeError("Failed to fetch");
const refused = new Problem({ status: 400, title: "Refused", detail: "" });

it("repeats the key only for the same body after no answer came", async () => {
  const { result } = renderHook(() => useIdempotencyKey());
  const keys: string[] = [];
  const send = (outcome?: Error) => async (key: string) => {
    keys.push(key);
    if (outcome) throw outcome;
  };
  const withKey = result.current;
  await withKey({ name: "a" }, send(lost)).catch(() => {});
  await withKey({ name: "a" }, send(refused)).catch(() => {});
  await withKey({ name: "a" }, send(lost)).catch(() => {});
  await withKey({ name: "b" }, send());
  await withKey({ name: "b" }, send());
  expect(keys[1]).toBe(keys[0]);
  expect(new Set(keys).size).toBe(4);
});
