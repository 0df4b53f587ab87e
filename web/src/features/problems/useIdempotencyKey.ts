import { useRef } from "react";
import { newIdempotencyKey, type Problem } from "../../api/client";

/**
 * useIdempotencyKey names an intent: the same key as long as the same body is sent again because no answer came, a new
 * one when the form was changed or the last try was answered.
 */
export function useIdempotencyKey(): (body: unknown, last: Problem | null) => string {
  const intent = useRef({ body: "", key: "" });
  return (body, last) => {
    const text = JSON.stringify(body);
    const unanswered = last !== null && last.status === 0;
    if (!unanswered || intent.current.body !== text) intent.current = { body: text, key: newIdempotencyKey() };
    return intent.current.key;
  };
}
