import { Button, Center } from "@mantine/core";

type LoadMoreProps = { hasMore: boolean; loading: boolean; onMore: () => void };

/** LoadMore asks for the next page of a keyset list; nothing when there is none. */
export function LoadMore({ hasMore, loading, onMore }: LoadMoreProps) {
  if (!hasMore) return null;
  return (
    <Center p="sm" style={{ borderTop: "1px solid var(--sb-border)" }}>
      <Button variant="subtle" size="xs" loading={loading} onClick={onMore}>
        Load more
      </Button>
    </Center>
  );
}
