import { queryOptions } from "@tanstack/react-query";
import type { Account } from "./accounts";
import { answer, client } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Mapping = Schemas["Mapping"];
export type Mappings = Schemas["Mappings"];

export const mappingsOf = (account: string) =>
  queryOptions({
    queryKey: ["accounts", account, "mappings"],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/accounts/{account}/mappings", { params: { path: { account } }, signal })),
  });

/** updateMappings replaces all of them; they change under the account's ETag. */
export function updateMappings(account: Account, body: Mappings): Promise<Mappings> {
  return answer(
    client.PUT("/v1/accounts/{account}/mappings", {
      params: { path: { account: account.id }, header: { "If-Match": account.etag } },
      body,
    }),
  );
}
