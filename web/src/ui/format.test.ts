import { describe, expect, it } from "vitest";
import {
  durationOf,
  formatBytes,
  formatDuration,
  formatLimit,
  formatRelative,
  formatRemaining,
  plural,
  secondsOf,
  shortenKey,
} from "./format";

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [1023, "1,023 B"],
    [1024, "1 KiB"],
    [1_572_864, "1.5 MiB"],
    [1 << 30, "1 GiB"],
    [2 ** 60, "1,024 PiB"],
  ])("%i is %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe("formatLimit", () => {
  it("says unlimited for -1 and none for 0", () => {
    expect(formatLimit(-1, "count")).toBe("Unlimited");
    expect(formatLimit(0, "bytes")).toBe("None");
    expect(formatLimit(12_500, "count")).toBe("12,500");
    expect(formatLimit(1024, "bytes")).toBe("1 KiB");
  });
});

describe("shortenKey", () => {
  it("keeps both ends of a long key and all of a short one", () => {
    expect(shortenKey("AAJUKC2XQZ5V7K3NQBNAX")).toBe("AAJUKC…NQBNAX");
    expect(shortenKey("acc_1")).toBe("acc_1");
  });
});

describe("formatRelative", () => {
  const now = Date.parse("2026-03-10T12:00:00Z");
  it.each([
    ["2026-03-10T11:59:58Z", "just now"],
    ["2026-03-10T11:59:20Z", "40 seconds ago"],
    ["2026-03-10T11:01:00Z", "59 minutes ago"],
    ["2026-03-09T11:00:00Z", "yesterday"],
    ["2026-03-12T12:00:00Z", "in 2 days"],
    ["2025-03-01T12:00:00Z", "last year"],
  ])("%s is %s", (time, text) => expect(formatRelative(time, now)).toBe(text));
});

describe("durations", () => {
  it.each([
    ["PT0S", 0],
    ["PT5S", 5],
    ["PT1M30S", 90],
    ["P1DT2H", 93_600],
    ["PT0.5S", 0.5],
    ["P4W2D", 30 * 86_400],
    ["P2M4W1DT4H", 90 * 86_400],
    ["P1Y", 365 * 86_400],
  ])("%s is %d seconds", (text, seconds) => expect(secondsOf(text)).toBe(seconds));

  it.each(["", "P", "PT", "5s", "1Y"])("%j is none", (text) => expect(secondsOf(text)).toBeUndefined());

  it("reads back what it writes", () => {
    for (const seconds of [0, 5, 86_400, 0.25]) expect(secondsOf(durationOf(seconds))).toBe(seconds);
  });
});

it.each([
  ["P2M4W1DT4H", "90 days"],
  ["PT36H", "36 hours"],
  ["PT24H", "1 day"],
  ["PT90S", "90 seconds"],
  ["forever", "forever"],
])("%s is said %s", (duration, words) => expect(formatDuration(duration)).toBe(words));

it("plural counts", () => {
  expect(plural(1, "client")).toBe("1 client");
  expect(plural(0, "client")).toBe("0 clients");
  expect(plural(1200, "entry", "entries")).toBe("1,200 entries");
});

it.each([
  [0, "0 seconds"],
  [-5, "0 seconds"],
  [61, "1 minute 1 second"],
  [7 * 86_400, "7 days"],
  [6 * 86_400 + 4 * 3600 + 59, "6 days 4 hours"],
])("%d seconds remain as %s", (seconds, words) => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(formatRemaining(new Date(now + seconds * 1000).toISOString(), now)).toBe(words);
});
