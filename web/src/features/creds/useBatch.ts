import { useEffect, useRef, useState } from "react";
import { type CredentialBatchIssue, type IssuedLine, issueBatch } from "../../api/batches";
import { newIdempotencyKey, type Problem, toProblem } from "../../api/client";

/** Between two looks at how many have come: each would draw the page anew. */
const refresh = 100;

export type Batch = {
  state: "idle" | "running" | "broken" | "done";
  /** How many have come. */
  count: number;
  problem: Problem | null;
  /** What has come; the same array throughout, so that 10,000 creds are held once. */
  lines: readonly IssuedLine[];
  start: (body: CredentialBatchIssue) => void;
  /** Goes on where the stream broke off: those that came are not issued again. */
  resume: () => void;
};

/** useBatch runs one batch of credentials and keeps what has come while its component lives. */
export function useBatch(account: string): Batch {
  const [state, setState] = useState<Batch["state"]>("idle");
  const [count, setCount] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [lines] = useState<IssuedLine[]>([]);
  const request = useRef<{ body: CredentialBatchIssue; key: string }>(null);
  const abort = useRef<AbortController>(null);
  useEffect(() => () => abort.current?.abort(), []);

  async function run() {
    if (!request.current) return;
    const { body, key } = request.current;
    const controller = new AbortController();
    abort.current = controller;
    setState("running");
    setProblem(null);
    let drawn = 0;
    try {
      for await (const line of issueBatch(account, body, key, lines.length, controller.signal)) {
        lines.push(line);
        if (performance.now() - drawn > refresh) {
          drawn = performance.now();
          setCount(lines.length);
        }
      }
      setState("done");
    } catch (error) {
      if (controller.signal.aborted) return;
      const refused = toProblem(error);
      setProblem(refused);
      // Nothing came and the server said no: the form is what has to change.
      setState(lines.length === 0 && refused.status >= 400 && refused.status < 500 ? "idle" : "broken");
    }
    setCount(lines.length);
  }

  return {
    state,
    count,
    problem,
    lines,
    start: (body) => {
      request.current = { body, key: newIdempotencyKey() };
      void run();
    },
    resume: () => void run(),
  };
}
