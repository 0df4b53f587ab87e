import { Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { toProblem } from "../../api/client";
import { ProblemNotice } from "./ProblemNotice";

type Loadable<Data> = {
  data: Data | undefined;
  error: unknown;
  refetch: () => unknown;
};

type LoadedProps<Data> = {
  query: Loadable<Data>;
  /** What is being loaded: "the accounts". */
  what: string;
  skeleton: ReactNode;
  children: (data: Data) => ReactNode;
};

/** Loaded gives a query its states: the page's own skeleton, the error with a way on, the data; stale data says so. */
export function Loaded<Data>({ query, what, skeleton, children }: LoadedProps<Data>) {
  const { data, error } = query;
  if (data === undefined && !error) return <>{skeleton}</>;
  const notice = error ? (
    <ProblemNotice
      problem={toProblem(error)}
      title={data === undefined ? `Could not load ${what}` : `Could not refresh ${what}: this may be out of date`}
      onRetry={() => void query.refetch()}
    />
  ) : null;
  if (data === undefined) return notice;
  if (!notice) return <>{children(data)}</>;
  return (
    <Stack gap="md">
      {notice}
      {children(data)}
    </Stack>
  );
}
