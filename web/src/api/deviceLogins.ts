import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, firstPage } from "./client";
import type { CredentialSort, CredentialStatus } from "./credentials";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type DeviceLogin = Schemas["DeviceLogin"];
export type DeviceLoginKind = Schemas["DeviceLoginKind"];
export type DeviceLoginCreate = Schemas["DeviceLoginCreate"];
export type DeviceLoginCreated = Schemas["DeviceLoginCreated"];
export type CertificateMatch = Schemas["CertificateMatch"];

export const deviceLoginsOf = (user: string) =>
  infiniteQueryOptions({
    queryKey: ["users", user, "device-logins"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/users/{user}/device-logins", {
          params: { path: { user }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export type DeviceLoginSearch = {
  q?: string;
  kind?: DeviceLoginKind;
  status?: CredentialStatus;
  sort: CredentialSort;
};

export const accountDeviceLogins = (account: string, search: DeviceLoginSearch) =>
  infiniteQueryOptions({
    queryKey: ["accounts", account, "device-logins", search],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/accounts/{account}/device-logins", {
          params: { path: { account }, query: { ...search, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

// A login is a credential of another kind: what changes those changes this.
export const deviceLoginById = (login: string) =>
  queryOptions({
    queryKey: ["credentials", login],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/device-logins/{device_login}", { params: { path: { device_login: login } }, signal })),
  });

export const deviceLoginHistory = (login: string) =>
  infiniteQueryOptions({
    queryKey: ["credentials", login, "history"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/device-logins/{device_login}/history", {
          params: { path: { device_login: login }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

/**
 * createDeviceLogin answers the secret, this once; as with issueCredential, keep it in component state and in no cache.
 * No idempotency key: a secret cannot be answered twice, so a lost answer is repaired by creating another.
 */
export function createDeviceLogin(user: string, body: DeviceLoginCreate): Promise<DeviceLoginCreated> {
  return answer(
    client.POST("/v1/users/{user}/device-logins", { params: { path: { user } }, body }),
  ) as Promise<DeviceLoginCreated>;
}

export function revokeDeviceLogin(id: string, reason: string): Promise<DeviceLogin> {
  return answer(
    client.POST("/v1/device-logins/{device_login}/revoke", {
      params: { path: { device_login: id } },
      body: { reason },
    }),
  );
}
