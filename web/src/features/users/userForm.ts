import type { ConnectionType } from "../../api/roles";
import type { User, UserUpdate } from "../../api/users";
import { newRole, permissionFormOf, permissionsOf, type PermissionsForm } from "../roles/roleForm";

export type UserForm = {
  roleId: string;
  /** Undefined: the role decides. */
  own: PermissionsForm | undefined;
  tags: string[];
  /** "" is as the role says. */
  connections: number | "";
  /** None: all that its role allows. */
  connectionTypes: ConnectionType[];
};

export function userFormOf(user: User): UserForm {
  return {
    roleId: user.role_id,
    own: user.permissions ? permissionFormOf(user.permissions) : undefined,
    tags: user.tags,
    connections: user.connections ?? "",
    connectionTypes: user.connection_types,
  };
}

/** Where own permissions begin when none were there: may do everything, as a new role may. */
export const newPermissions: PermissionsForm = {
  publish: newRole.publish,
  subscribe: newRole.subscribe,
  never: newRole.never,
  answers: newRole.answers,
};

/** userChanges is the merge patch that makes the user what the form says; a role and own permissions end each other. */
export function userChanges(user: User, form: UserForm): UserUpdate {
  const before = userFormOf(user);
  const connections = form.connections === "" ? null : form.connections;
  return {
    ...(form.own && !same(form.own, before.own) && { permissions: permissionsOf(form.own) }),
    ...(!form.own && (before.own !== undefined || form.roleId !== before.roleId) && { role_id: form.roleId }),
    ...(!same(form.tags, before.tags) && { tags: form.tags }),
    ...(connections !== user.connections && { connections }),
    ...(!same(form.connectionTypes, before.connectionTypes) && { connection_types: form.connectionTypes }),
  };
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
