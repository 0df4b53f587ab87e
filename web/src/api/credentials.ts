import { infiniteQueryOptions } from "@tanstack/react-query";
import { answer, client, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Credential = Schemas["Credential"];
export type CredentialIssue = Schemas["CredentialIssue"];
export type CredentialIssued = Schemas["CredentialIssued"];

export const credentialsOf = (user: string) =>
  infiniteQueryOptions({
    queryKey: ["users", user, "credentials"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/users/{user}/credentials", {
          params: { path: { user }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

/**
 * issueCredential answers the creds file, this once. Call it straight from a handler and keep what it answers in
 * component state: a query or mutation cache would hold the seed longer than the person looks at it. No idempotency key:
 * creds cannot be answered twice, so a lost answer is repaired by issuing again.
 */
export function issueCredential(user: string, body: CredentialIssue): Promise<CredentialIssued> {
  return answer(
    client.POST("/v1/users/{user}/credentials", {
      params: { path: { user } },
      // Accept decides between JSON and the bare file.
      headers: { Accept: "application/json" },
      body,
    }),
  ) as Promise<CredentialIssued>;
}

export function revokeCredential(id: string, reason: string): Promise<Credential> {
  return answer(
    client.POST("/v1/credentials/{credential}/revoke", {
      params: { path: { credential: id } },
      body: { reason },
    }),
  );
}
