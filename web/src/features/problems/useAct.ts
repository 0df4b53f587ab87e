import { useCallback, useEffect, useRef, useState } from "react";
import { toProblem, type Problem } from "../../api/client";

/**
 * useAct runs one thing the person asked for and keeps how it goes: pending, or the problem it ended with. Unlike a
 * mutation of TanStack Query it keeps no result, so that an answer with a secret lives only where the caller puts it.
 */
export function useAct<Args extends unknown[]>(work: (...args: Args) => Promise<void>) {
  const [pending, setPending] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const running = useRef(false);
  const latest = useRef(work);
  useEffect(() => {
    latest.current = work;
  });

  const act = useCallback((...args: Args) => {
    // A second Enter while the first is under way is not a second wish.
    if (running.current) return;
    running.current = true;
    setPending(true);
    setProblem(null);
    latest
      .current(...args)
      .catch((error: unknown) => setProblem(toProblem(error)))
      .finally(() => {
        running.current = false;
        setPending(false);
      });
  }, []);

  return { act, pending, problem, forget: useCallback(() => setProblem(null), []) };
}

/** useFocusOnError moves the focus to the first wrong field when a problem arrives. */
export function useFocusOnError(problem: Problem | null) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (problem) form.current?.querySelector<HTMLElement>("[aria-invalid='true']")?.focus();
  }, [problem]);
  return form;
}
