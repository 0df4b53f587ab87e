import { infiniteQueryOptions } from "@tanstack/react-query";
import { answer, client, firstPage } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type OidcIssuer = Schemas["OidcIssuer"];

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
