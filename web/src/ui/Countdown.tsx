import { useEffect, useState } from "react";
import { formatExact, formatRemaining } from "./format";

/** Countdown says how long it is until a moment, to the second when it is near. */
export function Countdown({ until }: { until: string }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={until} title={formatExact(until)} style={{ fontVariantNumeric: "tabular-nums" }}>
      {formatRemaining(until, now)}
    </time>
  );
}
