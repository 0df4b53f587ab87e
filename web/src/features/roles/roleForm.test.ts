import { describe, expect, it } from "vitest";
import type { Role } from "../../api/roles";
import { bodyOf, formOf, missingSubjects, newRole, type RoleForm } from "./roleForm";

const roleOf = (form: RoleForm): Role => ({
  ...bodyOf(form),
  id: "rol_1",
  account_id: "acc_1",
  public_key: "A",
  created_at: "",
  updated_at: "",
  etag: "",
});

const sensor: RoleForm = {
  name: "sensor",
  description: "Publishes readings",
  publish: { reach: "only", only: ["readings.>"], never: ["readings.secret"] },
  subscribe: { reach: "nothing", only: [], never: [] },
  answers: { on: true, maxMessages: 3, seconds: 5 },
  connectionTypes: ["WEBSOCKET"],
  sourceNetworks: ["192.0.2.0/24"],
  bearer: true,
  subscriptions: 10,
  payloadBytes: "",
};

describe("the role form", () => {
  it.each([
    ["a new role", newRole],
    ["a narrow role", sensor],
  ])("reads back what it writes: %s", (_, form) => {
    expect(formOf(roleOf(form))).toEqual(form);
  });

  it("says nothing as a denial of everything, which an empty list would not be", () => {
    expect(bodyOf(sensor).permissions.subscribe).toEqual({ allow: [], deny: [">"] });
  });

  it("names every list, so that an update clears what was removed", () => {
    expect(bodyOf(newRole)).toMatchObject({
      permissions: { publish: { allow: [], deny: [] }, subscribe: { allow: [], deny: [] }, responses: null },
      connection_types: [],
      source_networks: [],
      limits: { subscriptions: -1, payload_bytes: -1 },
    });
  });

  it("forgets subjects that were typed before choosing everything", () => {
    const form = { ...sensor, publish: { ...sensor.publish, reach: "everything" as const } };
    expect(bodyOf(form).permissions.publish).toEqual({ allow: [], deny: ["readings.secret"] });
  });

  it("knows that only these subjects without any would allow everything", () => {
    expect(missingSubjects({ reach: "only", only: [], never: [] })).toBe(true);
    expect(missingSubjects(newRole.publish)).toBe(false);
  });
});
