import { queryOptions } from "@tanstack/react-query";
import { answer, client, done } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Me = Schemas["Me"];
export type Membership = Schemas["Membership"];
export type MemberRole = Schemas["MemberRole"];

export const me = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => answer(client.GET("/v1/me", { signal })),
  staleTime: 60_000,
});

export function signUp(body: Schemas["SignUp"]): Promise<Me> {
  return answer(client.POST("/v1/sign-up", { body }));
}

export function logIn(body: Schemas["LogIn"]): Promise<Me> {
  return answer(client.POST("/v1/sessions", { body }));
}

export function logOut(): Promise<void> {
  return done(client.DELETE("/v1/sessions/current"));
}
