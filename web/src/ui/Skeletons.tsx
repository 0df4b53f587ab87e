import { Skeleton, Stack, VisuallyHidden } from "@mantine/core";
import { Panel } from "./Panel";

/** TableSkeleton has the outline of the table that is coming. */
export function TableSkeleton({ rows = 5 }: { rows?: number }) {
  return (
    <div role="status">
      <VisuallyHidden>Loading</VisuallyHidden>
      <Stack gap={0} aria-hidden>
        {Array.from({ length: rows }, (_, row) => (
          <div key={row} style={{ padding: "14px 20px", borderTop: row ? "1px solid var(--sb-border)" : undefined }}>
            <Skeleton height={14} width={`${70 - ((row * 17) % 40)}%`} />
          </div>
        ))}
      </Stack>
    </div>
  );
}

/** PanelSkeleton has the outline of a panel with some lines of text. */
export function PanelSkeleton({ lines = 4 }: { lines?: number }) {
  return (
    <Panel>
      <div role="status">
        <VisuallyHidden>Loading</VisuallyHidden>
        <Stack gap="md" aria-hidden>
          <Skeleton height={16} width="30%" />
          {Array.from({ length: lines }, (_, line) => (
            <Skeleton key={line} height={12} width={`${90 - ((line * 23) % 45)}%`} />
          ))}
        </Stack>
      </div>
    </Panel>
  );
}
