import { answer, client } from "./client";
import type { components } from "./schema.gen";

export type ConsoleSession = components["schemas"]["ConsoleSession"];

/** startConsole has this browser given the cookie that brokers let it in with, or one anew. The page never sees it. */
export function startConsole(account: string): Promise<ConsoleSession> {
  return answer(client.POST("/v1/accounts/{account}/console-session", { params: { path: { account } } }));
}
