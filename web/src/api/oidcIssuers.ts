import { infiniteQueryOptions } from "@tanstack/react-query";
import { answer, client, done, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type OidcIssuer = Schemas["OidcIssuer"];
export type OidcIssuerCreate = Schemas["OidcIssuerCreate"];
export type OidcIssuerUpdate = Schemas["OidcIssuerUpdate"];
export type OidcRule = Schemas["OidcRule"];
export type OidcCondition = Schemas["OidcCondition"];
export type OidcRevoke = Schemas["OidcRevoke"];

export const oidcIssuersOf = (account: string) =>
  infiniteQueryOptions({
    queryKey: ["accounts", account, "oidc-issuers"],
    queryFn: ({ pageParam, signal }) =>
      answer(
        client.GET("/v1/accounts/{account}/oidc-issuers", {
          params: { path: { account }, query: { cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.next_cursor,
  });

export function createOidcIssuer(account: string, body: OidcIssuerCreate, idempotencyKey: string): Promise<OidcIssuer> {
  return answer(
    client.POST("/v1/accounts/{account}/oidc-issuers", {
      params: { path: { account }, header: { "Idempotency-Key": idempotencyKey } },
      body,
    }),
  );
}

/** updateOidcIssuer is refused with 412 when someone changed the issuer after `issuer` was read. */
export function updateOidcIssuer(issuer: OidcIssuer, body: OidcIssuerUpdate): Promise<OidcIssuer> {
  return answer(
    client.PATCH("/v1/oidc-issuers/{oidc_issuer}", {
      params: { path: { oidc_issuer: issuer.id }, header: { "If-Match": issuer.etag } },
      body,
    }),
  );
}

export function deleteOidcIssuer(id: string): Promise<void> {
  return done(client.DELETE("/v1/oidc-issuers/{oidc_issuer}", { params: { path: { oidc_issuer: id } } }));
}

export function revokeOidcSubject(id: string, body: OidcRevoke): Promise<OidcIssuer> {
  return answer(client.POST("/v1/oidc-issuers/{oidc_issuer}/revoke", { params: { path: { oidc_issuer: id } }, body }));
}
