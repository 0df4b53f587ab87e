import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, done, firstPage } from "./client";
import type { Sort } from "./accounts";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Tenant = Schemas["Tenant"];
export type Plan = Schemas["Plan"];
export type Member = Schemas["Member"];
export type ApiToken = Schemas["ApiToken"];
export type ApiTokenCreate = Schemas["ApiTokenCreate"];
export type AuditEvent = Schemas["AuditEvent"];
export type TenantEvent = Schemas["Event"];

/** All of the installation's, for staff. */
export const tenants = (search: { q?: string; sort?: Sort } = {}) =>
  infiniteQueryOptions({
    queryKey: ["tenants", search],
    queryFn: ({ pageParam, signal }) =>
      answer(client.GET("/v1/tenants", { params: { query: { ...search, cursor: pageParam ?? undefined } }, signal })),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

/** setTenantPlan puts the tenant on the newest version of the plan, for staff. */
export function setTenantPlan({ id, etag }: Tenant, plan: string): Promise<Schemas["TenantPlan"]> {
  return answer(
    client.PUT("/v1/tenants/{tenant}/plan", {
      params: { path: { tenant: id }, header: { "If-Match": etag } },
      body: { plan_id: plan },
    }),
  );
}

export const tenantById = (tenant: string) =>
  queryOptions({
    queryKey: ["tenants", tenant],
    queryFn: ({ signal }) => answer(client.GET("/v1/tenants/{tenant}", { params: { path: { tenant } }, signal })),
  });

export const planOf = (tenant: string) =>
  queryOptions({
    queryKey: ["tenants", tenant, "plan"],
    queryFn: ({ signal }) => answer(client.GET("/v1/tenants/{tenant}/plan", { params: { path: { tenant } }, signal })),
  });

export const membersOf = (tenant: string) =>
  infiniteQueryOptions({
    queryKey: ["tenants", tenant, "members"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/tenants/{tenant}/members", {
          params: { path: { tenant }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export const apiTokensOf = (tenant: string) =>
  infiniteQueryOptions({
    queryKey: ["tenants", tenant, "api-tokens"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/tenants/{tenant}/api-tokens", {
          params: { path: { tenant }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export const auditOf = (tenant: string) =>
  infiniteQueryOptions({
    queryKey: ["tenants", tenant, "audit"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/tenants/{tenant}/audit", {
          params: { path: { tenant }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export const eventsOf = (tenant: string) =>
  infiniteQueryOptions({
    queryKey: ["tenants", tenant, "events"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/tenants/{tenant}/events", {
          params: { path: { tenant }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export function renameTenant(tenant: Tenant, name: string): Promise<Tenant> {
  return answer(
    client.PATCH("/v1/tenants/{tenant}", {
      params: { path: { tenant: tenant.id }, header: { "If-Match": tenant.etag } },
      body: { name },
    }),
  );
}

/** The answer holds the token, this once: keep it out of every cache. */
export function createApiToken(tenant: string, body: ApiTokenCreate, idempotencyKey: string) {
  return answer(
    client.POST("/v1/tenants/{tenant}/api-tokens", {
      params: { path: { tenant }, header: { "Idempotency-Key": idempotencyKey } },
      body,
    }),
  );
}

export function deleteApiToken(id: string): Promise<void> {
  return done(client.DELETE("/v1/api-tokens/{api_token}", { params: { path: { api_token: id } } }));
}
