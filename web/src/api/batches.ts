import { answer, client, Problem } from "./client";
import { linesOf } from "./ndjson";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type CredentialBatchIssue = Schemas["CredentialBatchIssue"];
export type CredentialBatchLine = Schemas["CredentialBatchLine"];

/** One credential of a batch: a line that has an entry, and neither the summary nor a problem. */
export type IssuedLine = CredentialBatchLine & { index: number; user: string };

/**
 * issueBatch yields credentials as they are committed. It ends well when all of them came; a stream that breaks off
 * throws, and is gone on with by the same key, from as many as have come. Keep what it yields in component state only:
 * creds are answered once.
 */
export async function* issueBatch(
  account: string,
  body: CredentialBatchIssue,
  key: string,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<IssuedLine> {
  const stream = await answer<ReadableStream<Uint8Array> | null>(
    client.POST("/v1/accounts/{account}/credential-batches", {
      params: { path: { account }, query: from > 0 ? { from } : {}, header: { "Idempotency-Key": key } },
      body,
      parseAs: "stream",
      signal,
    }),
  );
  if (stream) {
    for await (const value of linesOf(stream)) {
      const line = value as CredentialBatchLine;
      if (line.problem) throw new Problem(line.problem);
      if (line.summary) return;
      yield line as IssuedLine;
    }
  }
  throw new TypeError("the stream ended before its summary");
}
