import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, done, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Account = Schemas["Account"];
export type AccountCreate = Schemas["AccountCreate"];
export type AccountClone = Schemas["AccountClone"];
export type AccountUpdate = Schemas["AccountUpdate"];
export type AccountDelivery = Schemas["AccountDelivery"];
export type BrokerDelivery = Schemas["BrokerDelivery"];
export type AuthCallout = Schemas["AuthCallout"];
export type AccountSigningKey = Schemas["AccountSigningKey"];
export type CertificateAuthority = Schemas["CertificateAuthority"];
export type Connection = Schemas["Connection"];
export type ConnectionList = Schemas["ConnectionList"];
export type Endpoints = Schemas["Endpoints"];
export type RefusedLogin = Schemas["RefusedLogin"];
export type AccountUsage = Schemas["AccountUsage"];
export type Limits = Schemas["Limits"];
export type Retirement = Schemas["Retirement"];
export type RetiredStream = Schemas["RetiredStream"];
export type BrokerDisk = Schemas["BrokerDisk"];
export type Sort = "created_at" | "-created_at" | "name" | "-name";

export const accountsOf = (tenant: string, search: { q?: string; sort?: Sort } = {}) =>
  infiniteQueryOptions({
    queryKey: ["tenants", tenant, "accounts", search],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/tenants/{tenant}/accounts", {
          params: { path: { tenant }, query: { ...search, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export const accountById = (account: string) =>
  queryOptions({
    queryKey: ["accounts", account],
    queryFn: ({ signal }) => answer(client.GET("/v1/accounts/{account}", { params: { path: { account } }, signal })),
  });

export const deliveryOf = (account: string) =>
  queryOptions({
    queryKey: ["accounts", account, "delivery"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/accounts/{account}/delivery", { params: { path: { account } }, signal })),
  });

/** What is used of the account's limits now, asked of the brokers. */
export const usageOf = (account: string) =>
  queryOptions({
    queryKey: ["accounts", account, "usage"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/accounts/{account}/usage", { params: { path: { account } }, signal })),
  });

export const endpointsOf = (account: string) =>
  queryOptions({
    queryKey: ["accounts", account, "endpoints"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/accounts/{account}/endpoints", { params: { path: { account } }, signal })),
  });

/** What the certificates in the account's settings say. */
export const authoritiesOf = (account: string) =>
  queryOptions({
    queryKey: ["accounts", account, "certificate-authorities"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/accounts/{account}/certificate-authorities", { params: { path: { account } }, signal })),
  });

export const connectionsOf = (account: string) =>
  queryOptions({
    queryKey: ["accounts", account, "connections"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/accounts/{account}/connections", { params: { path: { account } }, signal })),
  });

export const refusalsOf = (account: string) =>
  infiniteQueryOptions({
    queryKey: ["accounts", account, "refusals"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/accounts/{account}/refusals", {
          params: { path: { account }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export function createAccount(tenant: string, body: AccountCreate, idempotencyKey: string): Promise<Account> {
  return answer(
    client.POST("/v1/tenants/{tenant}/accounts", {
      params: { path: { tenant }, header: { "Idempotency-Key": idempotencyKey } },
      body,
    }),
  );
}

/** updateAccount is refused with 412 when someone changed the account after `account` was read. */
export function updateAccount(account: Account, body: AccountUpdate): Promise<Account> {
  return answer(
    client.PATCH("/v1/accounts/{account}", {
      params: { path: { account: account.id }, header: { "If-Match": account.etag } },
      body,
    }),
  );
}

/** What deleting the account takes, and how far it has come: before, meanwhile and after it is gone. */
export const retirementOf = (account: string) =>
  queryOptions({
    queryKey: ["accounts", account, "retirement"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/accounts/{account}/retirement", { params: { path: { account } }, signal })),
  });

/** deleteAccount freezes the account; `undo` is an ISO 8601 duration in which it can be restored, the installation's when absent. */
export function deleteAccount(account: Account, undo?: string): Promise<void> {
  return done(
    client.DELETE("/v1/accounts/{account}", {
      params: { path: { account: account.id }, query: { undo }, header: { "If-Match": account.etag } },
    }),
  );
}

export function restoreAccount(account: Account): Promise<Account> {
  return answer(
    client.POST("/v1/accounts/{account}/restore", {
      params: { path: { account: account.id }, header: { "If-Match": account.etag } },
    }),
  );
}

export function purgeAccount(id: string, name: string): Promise<Retirement> {
  return answer(client.POST("/v1/accounts/{account}/purge", { params: { path: { account: id } }, body: { name } }));
}

export function suspendAccount(id: string, reason: string): Promise<Account> {
  return answer(client.POST("/v1/accounts/{account}/suspend", { params: { path: { account: id } }, body: { reason } }));
}

export function resumeAccount(id: string): Promise<Account> {
  return answer(client.POST("/v1/accounts/{account}/resume", { params: { path: { account: id } } }));
}

export function cloneAccount(id: string, body: AccountClone, idempotencyKey: string): Promise<Account> {
  return answer(
    client.POST("/v1/accounts/{account}/clone", {
      params: { path: { account: id }, header: { "Idempotency-Key": idempotencyKey } },
      body,
    }),
  );
}
