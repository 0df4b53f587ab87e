import { Tooltip } from "@mantine/core";
import { formatExact, formatRelative } from "./format";
import { useNow } from "./useNow";

const refresh = 15_000;

/** Time is relative, with the exact moment on hover and on focus. */
export function Time({ value }: { value: string }) {
  const now = useNow(refresh);
  return (
    <Tooltip label={formatExact(value)}>
      <time dateTime={value} style={{ whiteSpace: "nowrap" }}>
        {formatRelative(value, now)}
      </time>
    </Tooltip>
  );
}
