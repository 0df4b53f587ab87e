import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { Sort } from "./accounts";
import { answer, client, done, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type User = Schemas["User"];
export type UserCreate = Schemas["UserCreate"];
export type UserUpdate = Schemas["UserUpdate"];

export const usersOf = (account: string, search: { q?: string; sort?: Sort } = {}) =>
  infiniteQueryOptions({
    queryKey: ["accounts", account, "users", search],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/accounts/{account}/users", {
          params: { path: { account }, query: { ...search, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export const userById = (user: string) =>
  queryOptions({
    queryKey: ["users", user],
    queryFn: ({ signal }) => answer(client.GET("/v1/users/{user}", { params: { path: { user } }, signal })),
  });

/** userNamed finds the one user of an account with exactly this name; undefined when there is none. */
export async function userNamed(account: string, name: string): Promise<User | undefined> {
  const page = await answer(
    client.GET("/v1/accounts/{account}/users", { params: { path: { account }, query: { q: name, limit: 200 } } }),
  );
  return page.items.find((user) => user.name === name);
}

export function createUser(account: string, body: UserCreate, idempotencyKey: string): Promise<User> {
  return answer(
    client.POST("/v1/accounts/{account}/users", {
      params: { path: { account }, header: { "Idempotency-Key": idempotencyKey } },
      body,
    }),
  );
}

/** updateUser is refused with 412 when someone changed the user after `user` was read. */
export function updateUser(user: User, body: UserUpdate): Promise<User> {
  return answer(
    client.PATCH("/v1/users/{user}", {
      params: { path: { user: user.id }, header: { "If-Match": user.etag } },
      body,
    }),
  );
}

export function deleteUser(id: string): Promise<void> {
  return done(client.DELETE("/v1/users/{user}", { params: { path: { user: id } } }));
}
