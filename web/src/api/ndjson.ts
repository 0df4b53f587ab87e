/** linesOf reads a streamed answer of one JSON value a line (application/x-ndjson) as it comes. */
export async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += decoder.decode(value, { stream: !done });
      const lines = rest.split("\n");
      // The last one has not ended: with the connection cut, half a line is no line.
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") yield JSON.parse(line);
      if (done) break;
    }
  } finally {
    reader.releaseLock();
  }
}
