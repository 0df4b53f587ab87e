import { infiniteQueryOptions } from "@tanstack/react-query";
import { answer, client, done, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Role = Schemas["Role"];
export type RoleCreate = Schemas["RoleCreate"];
export type RoleUpdate = Schemas["RoleUpdate"];
export type ConnectionType = Schemas["ConnectionType"];

export const rolesOf = (account: string) =>
  infiniteQueryOptions({
    queryKey: ["accounts", account, "roles"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/accounts/{account}/roles", {
          params: { path: { account }, query: { limit: 200, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export function createRole(account: string, body: RoleCreate, idempotencyKey: string): Promise<Role> {
  return answer(
    client.POST("/v1/accounts/{account}/roles", {
      params: { path: { account }, header: { "Idempotency-Key": idempotencyKey } },
      body,
    }),
  );
}

/** updateRole is refused with 412 when someone changed the role after `role` was read. */
export function updateRole(role: Role, body: RoleUpdate): Promise<Role> {
  return answer(
    client.PATCH("/v1/roles/{role}", {
      params: { path: { role: role.id }, header: { "If-Match": role.etag } },
      body,
    }),
  );
}

export function deleteRole(id: string): Promise<void> {
  return done(client.DELETE("/v1/roles/{role}", { params: { path: { role: id } } }));
}
