import { describe, expect, it } from "vitest";
import { aUser } from "../../testing";
import { newPermissions, userChanges, userFormOf } from "./userForm";

const changed = (change: Partial<ReturnType<typeof userFormOf>>, user = aUser) =>
  userChanges(user, { ...userFormOf(user), ...change });

describe("a user's form", () => {
  it("sends nothing that was not changed", () => {
    expect(changed({})).toEqual({});
    expect(
      changed({}, { ...aUser, permissions: { publish: { allow: ["a"] } }, tags: ["a:b"], connections: 3 }),
    ).toEqual({});
  });

  it("moves to a role, which ends permissions of its own", () => {
    expect(changed({ roleId: "rol_2" })).toEqual({ role_id: "rol_2" });
    const own = { ...aUser, role_id: "rol_private", permissions: { publish: { allow: ["a"] } } };
    expect(changed({ own: undefined, roleId: "rol_1" }, own)).toEqual({ role_id: "rol_1" });
  });

  it("gives permissions of its own without naming a role", () => {
    expect(Object.keys(changed({ own: newPermissions, roleId: "rol_2" }))).toEqual(["permissions"]);
  });

  it("takes the cap away with null", () => {
    expect(changed({ connections: "" }, { ...aUser, connections: 3 })).toEqual({ connections: null });
    expect(changed({ connections: 0 })).toEqual({ connections: 0 });
  });
});
