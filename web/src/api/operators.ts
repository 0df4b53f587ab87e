import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, done, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Operator = Schemas["Operator"];
export type OperatorCreate = Schemas["OperatorCreate"];
export type OperatorUpdate = Schemas["OperatorUpdate"];
export type Broker = Schemas["Broker"];
export type BrokerReceipt = Schemas["BrokerReceipt"];
export type Server = Schemas["Server"];
export type ServerAttach = Schemas["ServerAttach"];
export type SigningKey = Schemas["SigningKey"];
export type Operation = Schemas["Operation"];
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

/** Unmodified nats-servers that were attached to the operator. */
export const serversOf = (operator: string) =>
  infiniteQueryOptions({
    queryKey: ["operators", operator, "servers"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/operators/{operator}/servers", {
          params: { path: { operator }, query: { limit: 200, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export const operatorDelivery = (operator: string) =>
  queryOptions({
    queryKey: ["operators", operator, "delivery"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/operators/{operator}/delivery", { params: { path: { operator } }, signal })),
  });

export const signingKeysOf = (operator: string) =>
  queryOptions({
    queryKey: ["operators", operator, "signing-keys"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/operators/{operator}/signing-keys", { params: { path: { operator } }, signal })),
  });

/** Long work, such as a rotation: how far it has come. */
export const operationById = (operation: string) =>
  queryOptions({
    queryKey: ["operations", operation],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/operations/{operation}", { params: { path: { operation } }, signal })),
  });

export function rotateSigningKey(operator: string, serversRestarted: boolean, key: string): Promise<Operation> {
  return answer(
    client.POST("/v1/operators/{operator}/signing-keys/rotate", {
      params: { path: { operator }, header: { "Idempotency-Key": key } },
      body: { servers_restarted: serversRestarted },
    }),
  );
}

export function rotateSystemAccount(operator: string, key: string): Promise<Operation> {
  return answer(
    client.POST("/v1/operators/{operator}/system-account/rotate", {
      params: { path: { operator }, header: { "Idempotency-Key": key } },
    }),
  );
}

export function attachServer(operator: string, body: ServerAttach, idempotencyKey: string): Promise<Server> {
  return answer(
    client.POST("/v1/operators/{operator}/servers", {
      params: { path: { operator }, header: { "Idempotency-Key": idempotencyKey } },
      body,
    }),
  );
}

export function detachServer(id: string): Promise<void> {
  return done(client.DELETE("/v1/servers/{server}", { params: { path: { server: id } } }));
}

export function removeBroker(id: string): Promise<void> {
  return done(client.DELETE("/v1/brokers/{broker}", { params: { path: { broker: id } } }));
}

/** The answer holds the enrolment token, this once. */
export function createEnrollment(body: EnrollmentCreate): Promise<EnrollmentCreated> {
  return answer(client.POST("/v1/enrollments", { body }));
}

export function createOperator(body: OperatorCreate, idempotencyKey: string): Promise<Operator> {
  return answer(client.POST("/v1/operators", { params: { header: { "Idempotency-Key": idempotencyKey } }, body }));
}

export function updateOperator({ id, etag }: Operator, body: OperatorUpdate): Promise<Operator> {
  return answer(
    client.PATCH("/v1/operators/{operator}", {
      params: { path: { operator: id }, header: { "If-Match": etag } },
      body,
    }),
  );
}

export function makeDefaultOperator(id: string): Promise<Operator> {
  return answer(client.POST("/v1/operators/{operator}/make-default", { params: { path: { operator: id } } }));
}
