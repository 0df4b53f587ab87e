import { infiniteQueryOptions, type QueryClient, queryOptions } from "@tanstack/react-query";
import { answer, client, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Credential = Schemas["Credential"];
export type CredentialIssue = Schemas["CredentialIssue"];
export type CredentialIssued = Schemas["CredentialIssued"];
export type CredentialStatus = Schemas["CredentialStatus"];
export type CredentialHistoryItem = Schemas["CredentialHistoryItem"];
export type CredentialSort = "-created_at" | "expires_at";

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

export const accountCredentials = (account: string, search: { status?: CredentialStatus; sort: CredentialSort }) =>
  infiniteQueryOptions({
    queryKey: ["accounts", account, "credentials", search],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/accounts/{account}/credentials", {
          params: { path: { account }, query: { ...search, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export const credentialById = (credential: string) =>
  queryOptions({
    queryKey: ["credentials", credential],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/credentials/{credential}", { params: { path: { credential } }, signal })),
  });

export const historyOf = (credential: string) =>
  infiniteQueryOptions({
    queryKey: ["credentials", credential, "history"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/credentials/{credential}/history", {
          params: { path: { credential }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

/** credentialsChanged has every list and page of an account's credentials asked for again. */
export function credentialsChanged(queryClient: QueryClient, account: string, user: string): Promise<unknown> {
  return Promise.all([
    queryClient.invalidateQueries({ queryKey: ["accounts", account] }),
    queryClient.invalidateQueries({ queryKey: ["users", user] }),
    queryClient.invalidateQueries({ queryKey: ["credentials"] }),
  ]);
}

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
