import { useCallback, useRef } from "react";
import { newIdempotencyKey, toProblem } from "../../api/client";

/**
 * useIdempotencyKey sends a body with a key that names the intent. When no answer came, sending the same body again is
 * the same intent and repeats the key; a changed body or a try that was answered makes a new one.
 */
export function useIdempotencyKey() {
  const unanswered = useRef({ body: "", key: "" });
  return useCallback(async <Answer>(body: unknown, send: (key: string) => Promise<Answer>): Promise<Answer> => {
    const text = JSON.stringify(body);
    const { body: last, key: lastKey } = unanswered.current;
    const key = lastKey && last === text ? lastKey : newIdempotencyKey();
    unanswered.current = { body: text, key };
    try {
      const answer = await send(key);
      unanswered.current = { body: "", key: "" };
      return answer;
    } catch (error) {
      if (toProblem(error).status !== 0) unanswered.current = { body: "", key: "" };
      throw error;
    }
  }, []);
}
