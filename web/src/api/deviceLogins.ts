import { infiniteQueryOptions } from "@tanstack/react-query";
import { answer, client, firstPage } from "./client";
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
