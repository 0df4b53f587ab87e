import { formatExact, formatRemaining } from "./format";
import { useNow } from "./useNow";

/** Countdown says how long it is until a moment, to the second when it is near. */
export function Countdown({ until }: { until: string }) {
  const now = useNow(1_000);
  return (
    <time dateTime={until} title={formatExact(until)} style={{ fontVariantNumeric: "tabular-nums" }}>
      {formatRemaining(until, now)}
    </time>
  );
}
