import { expect, it } from "vitest";
import { roleSentence } from "./roleSentence";

const all = { permissions: {}, connection_types: [], source_networks: [] };

it.each([
  [all, "Can publish and subscribe to everything."],
  [
    {
      ...all,
      permissions: { publish: { allow: ["orders.>"] }, subscribe: { allow: ["_INBOX.>"] } },
      connection_types: ["WEBSOCKET" as const],
    },
    "Can publish to orders.>, subscribe to _INBOX.>, over WebSocket only.",
  ],
  [{ ...all, permissions: { publish: { deny: [">"] } } }, "Cannot publish, can subscribe to everything."],
  [
    { ...all, permissions: { publish: { deny: [">"] }, subscribe: { deny: [">"] } } },
    "Can neither publish nor subscribe.",
  ],
  [
    { ...all, permissions: { subscribe: { deny: ["secret.>"] } } },
    "Can publish to everything, subscribe to everything but secret.>.",
  ],
  [
    { ...all, permissions: { publish: { allow: ["a", "b", "c", "d", "e"] }, subscribe: { allow: ["x"] } } },
    "Can publish to a, b, c, and 2 more, subscribe to x.",
  ],
  [{ ...all, source_networks: ["10.0.0.0/8"] }, "Can publish and subscribe to everything, from 10.0.0.0/8 only."],
  [
    { ...all, times: [{ start: "08:00:00", end: "17:30:00" }], time_zone: "Europe/Berlin" },
    "Can publish and subscribe to everything, from 08:00 to 17:30 (Europe/Berlin) only.",
  ],
])("says it in plain words: %#", (role, sentence) => {
  expect(roleSentence(role)).toBe(sentence);
});
