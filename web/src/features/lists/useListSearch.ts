import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import type { Sort } from "../../api/accounts";

export type ListSearch = ReturnType<typeof useListSearch>;

/** useListSearch keeps what a person looks for in a list, and in which order; `asked` follows once they stop typing. */
export function useListSearch(first: Sort) {
  const [q, setQ] = useState("");
  const [sort, setSort] = useState<Sort>(first);
  const [asked] = useDebouncedValue(q.trim(), 200);
  return { q, setQ, sort, setSort, asked: asked || undefined };
}
