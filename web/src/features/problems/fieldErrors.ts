import type { FieldError, Problem } from "../../api/client";

export type FieldErrors = {
  /** The message for a field of the form, or undefined. */
  at: (pointer: string) => string | undefined;
  /** What no field shows; belongs beside the form's button. */
  rest: FieldError[];
  /** Whether to show the problem as a whole: nothing of it landed on a field, or not all. */
  unplaced: boolean;
};

/**
 * placeFieldErrors lands a problem's fields on a form's. `pointers` are the JSON pointers the form has fields for; an
 * error inside one (/permissions/publish/allow/2) lands on it, with the item it is about when `value` knows it.
 */
export function placeFieldErrors(
  problem: Problem | null,
  pointers: readonly string[],
  value?: (pointer: string) => string | undefined,
): FieldErrors {
  const placed = new Map<string, string[]>();
  const rest: FieldError[] = [];
  for (const error of problem?.fields ?? []) {
    const home = homeOf(error.pointer, pointers);
    if (home === undefined) {
      rest.push(error);
      continue;
    }
    const item = error.pointer === home ? undefined : value?.(error.pointer);
    placed.set(home, [...(placed.get(home) ?? []), item === undefined ? error.detail : `“${item}”: ${error.detail}`]);
  }
  return {
    at: (pointer) => placed.get(pointer)?.join(" "),
    rest,
    unplaced: problem !== null && (placed.size === 0 || rest.length > 0),
  };
}

/** homeOf picks the closest field: the longest pointer that is the error's or contains it. */
function homeOf(pointer: string, pointers: readonly string[]): string | undefined {
  return pointers
    .filter((candidate) => pointer === candidate || pointer.startsWith(`${candidate}/`))
    .toSorted((a, b) => b.length - a.length)[0];
}
