import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, firstPage } from "./client";
import type { Operation } from "./operators";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type PlanVersion = Schemas["PlanVersion"];
export type PlanCreate = Schemas["PlanCreate"];
export type PlanUpdate = Schemas["PlanUpdate"];

/** A plan's newest version, with the ETag that its next one is made under. */
export type NewestPlan = PlanVersion & { etag: string };

export const plans = infiniteQueryOptions({
  queryKey: ["plans"],
  queryFn: ({ pageParam, signal }) =>
    answer(client.GET("/v1/plans", { params: { query: { cursor: pageParam ?? undefined } }, signal })),
  initialPageParam: firstPage,
  getNextPageParam: (page) => page.next_cursor,
});

export const planById = (plan: string) =>
  queryOptions({
    queryKey: ["plans", plan],
    queryFn: ({ signal }) => newest(client.GET("/v1/plans/{plan}", { params: { path: { plan } }, signal })),
  });

/** Oldest first. */
export const planVersionsOf = (plan: string) =>
  infiniteQueryOptions({
    queryKey: ["plans", plan, "versions"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/plans/{plan}/versions", {
          params: { path: { plan }, query: { limit: 200, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export function createPlan(body: PlanCreate, idempotencyKey: string): Promise<PlanVersion> {
  return answer(client.POST("/v1/plans", { params: { header: { "Idempotency-Key": idempotencyKey } }, body }));
}

/** updatePlan makes the next version; it is refused with 412 when someone made one after `plan` was read. */
export function updatePlan(plan: NewestPlan, body: PlanUpdate): Promise<NewestPlan> {
  return newest(
    client.PATCH("/v1/plans/{plan}", {
      params: { path: { plan: plan.id }, header: { "If-Match": plan.etag } },
      body,
    }),
  );
}

export function makeDefaultPlan(plan: string): Promise<NewestPlan> {
  return newest(client.POST("/v1/plans/{plan}/make-default", { params: { path: { plan } } }));
}

export function moveTenants({ id, version }: PlanVersion, idempotencyKey: string): Promise<Operation> {
  return answer(
    client.POST("/v1/plans/{plan}/versions/{version}/move-tenants", {
      params: { path: { plan: id, version }, header: { "Idempotency-Key": idempotencyKey } },
    }),
  );
}

function newest(call: Promise<{ data?: PlanVersion; response: Response }>): Promise<NewestPlan> {
  return answer(
    call.then(({ data, response }) => ({ data: data && { ...data, etag: response.headers.get("ETag") ?? "" } })),
  );
}
