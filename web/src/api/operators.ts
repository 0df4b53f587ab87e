import { infiniteQueryOptions } from "@tanstack/react-query";
import { answer, client, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Operator = Schemas["Operator"];
export type Broker = Schemas["Broker"];
export type EnrollmentCreate = Schemas["EnrollmentCreate"];
export type EnrollmentCreated = Schemas["EnrollmentCreated"];

export const operators = infiniteQueryOptions({
  queryKey: ["operators"],
  queryFn: ({ pageParam, signal }) =>
    answer(client.GET("/v1/operators", { params: { query: { cursor: pageParam ?? undefined } }, signal })),
  initialPageParam: firstPage,
  getNextPageParam: (page) => page.next_cursor,
});

export const brokersOf = (operator: string) =>
  infiniteQueryOptions({
    queryKey: ["operators", operator, "brokers"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/operators/{operator}/brokers", {
          params: { path: { operator }, query: { limit: 200, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

/** The answer holds the enrolment token, this once. */
export function createEnrollment(body: EnrollmentCreate): Promise<EnrollmentCreated> {
  return answer(client.POST("/v1/enrollments", { body }));
}
