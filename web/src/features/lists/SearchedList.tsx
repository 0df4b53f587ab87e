import { Group, Select, TextInput } from "@mantine/core";
import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import { Search } from "lucide-react";
import type { ReactNode } from "react";
import type { Sort } from "../../api/accounts";
import { EmptyState } from "../../ui/EmptyState";
import { LoadMore } from "../../ui/LoadMore";
import { TableSkeleton } from "../../ui/Skeletons";
import { Loaded } from "../problems/Loaded";
import type { ListSearch } from "./useListSearch";

const sorts: { value: Sort; label: string }[] = [
  { value: "name", label: "Name, A to Z" },
  { value: "-name", label: "Name, Z to A" },
  { value: "-created_at", label: "Newest first" },
  { value: "created_at", label: "Oldest first" },
];

type SearchedListProps<Row> = {
  /** What one of them is called: "account". */
  noun: string;
  search: ListSearch;
  query: UseInfiniteQueryResult<InfiniteData<{ items: Row[] }>>;
  sortable?: boolean;
  /** What is there instead of rows when nothing is searched for. */
  empty: ReactNode;
  children: (rows: Row[]) => ReactNode;
};

/** SearchedList is a list whose rows are searched by name, with all its states. */
export function SearchedList<Row>({ noun, search, query, sortable, empty, children }: SearchedListProps<Row>) {
  return (
    <>
      <Group gap="sm" px={sortable ? "sm" : "md"} pt={sortable ? "sm" : 0} pb="sm">
        <TextInput
          aria-label={`Search ${noun}s by name`}
          placeholder="Search by name"
          leftSection={<Search size={15} />}
          style={{ flex: "1 1 12rem" }}
          value={search.q}
          onChange={(event) => search.setQ(event.currentTarget.value)}
        />
        {sortable && (
          <Select
            aria-label={`Sort ${noun}s`}
            data={sorts}
            allowDeselect={false}
            value={search.sort}
            onChange={(next) => next && search.setSort(next)}
            w={170}
          />
        )}
      </Group>
      <Loaded query={query} what={`the ${noun}s`} skeleton={<TableSkeleton />}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.items);
          if (rows.length > 0) {
            return (
              <>
                {children(rows)}
                <LoadMore
                  hasMore={query.hasNextPage}
                  loading={query.isFetchingNextPage}
                  onMore={() => void query.fetchNextPage()}
                />
              </>
            );
          }
          if (!search.asked) return empty;
          return (
            <EmptyState icon={<Search size={32} />} title={`No ${noun} is called “${search.asked}”`}>
              Names are searched for any part of them, whatever its case.
            </EmptyState>
          );
        }}
      </Loaded>
    </>
  );
}
