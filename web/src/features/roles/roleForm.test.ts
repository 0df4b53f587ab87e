import { describe, expect, it } from "vitest";
import type { Role } from "../../api/roles";
import { aRole } from "../../testing";
import { bodyOf, formOf, missingSubjects, newRole, type RoleForm } from "./roleForm";

const roleOf = (form: RoleForm): Role => ({ ...aRole, ...bodyOf(form) });

const closed = { reach: "nothing" as const, only: [] };

const sensor: RoleForm = {
  name: "sensor",
  description: "Publishes readings",
  publish: { reach: "only", only: ["readings.>"] },
  subscribe: { reach: "nothing", only: [] },
  never: { both: ["readings.secret"], publish: [], subscribe: [] },
  answers: { on: true, maxMessages: 3, seconds: 5 },
  connectionTypes: ["WEBSOCKET"],
  sourceNetworks: ["192.0.2.0/24"],
  times: { zone: "Europe/Berlin", ranges: [{ start: "08:00:00", end: "18:00:00" }] },
  bearer: true,
  subscriptions: 10,
  payloadBytes: "",
  connectionsPerUser: 2,
  defaultLifetime: "P90D",
  maxLifetime: "P1Y",
};

describe("the role form", () => {
  it.each([
    ["a new role", newRole],
    ["a narrow role", sensor],
    ["a role that is closed both ways", { ...newRole, publish: closed, subscribe: closed }],
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
      limits: { subscriptions: -1, payload_bytes: -1, connections_per_user: -1 },
      times: [],
      default_credential_lifetime: null,
    });
  });

  it("forgets subjects that were typed before choosing everything", () => {
    const form = { ...sensor, publish: { ...sensor.publish, reach: "everything" as const } };
    expect(bodyOf(form).permissions.publish).toEqual({ allow: [], deny: ["readings.secret"] });
  });

  it("knows that only these subjects without any would allow everything", () => {
    expect(missingSubjects({ reach: "only", only: [] })).toBe(true);
    expect(missingSubjects(newRole.publish)).toBe(false);
  });

  it("tells what is never allowed at all from what is closed one way", () => {
    const form: RoleForm = {
      ...newRole,
      never: { both: ["audit.>"], publish: ["alarms.>"], subscribe: ["salaries.> hr"] },
    };
    expect(bodyOf(form).permissions).toMatchObject({
      publish: { deny: ["audit.>", "alarms.>"] },
      subscribe: { deny: ["audit.>", "salaries.> hr"] },
    });
    expect(formOf(roleOf(form))).toEqual(form);
  });

  it("does not forbid publishing to a queue group, which is no subject", () => {
    const form: RoleForm = { ...newRole, never: { both: ["jobs.> night"], publish: [], subscribe: [] } };
    expect(bodyOf(form).permissions).toMatchObject({ publish: { deny: [] }, subscribe: { deny: ["jobs.> night"] } });
  });
});
