import { expect, it } from "vitest";
import { linesOf } from "./ndjson";

function stream(...chunks: (string | Error)[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.close();
      else if (chunk instanceof Error) controller.error(chunk);
      else controller.enqueue(encoder.encode(chunk));
    },
  });
}

async function read(body: ReadableStream<Uint8Array>): Promise<unknown[]> {
  const got: unknown[] = [];
  try {
    for await (const line of linesOf(body)) got.push(line);
  } catch (error) {
    got.push(error);
  }
  return got;
}

it("puts lines together however they were cut", async () => {
  expect(await read(stream('{"user":"zo', 'ë"}\n{"index', '":2}\n\n', "3\n"))).toEqual([
    { user: "zoë" },
    { index: 2 },
    3,
  ]);
});

it("never takes half a line for one", async () => {
  expect(await read(stream('{"index":0}\n{"ind'))).toEqual([{ index: 0 }]);
});

it("gives what came before the connection broke", async () => {
  const lost = new TypeError("network error");
  expect(await read(stream('{"index":0}\n', lost))).toEqual([{ index: 0 }, lost]);
});
