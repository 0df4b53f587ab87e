import { Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";
import { formatExact, formatRelative } from "./format";

const refresh = 15_000;

/** Time is relative, with the exact moment on hover and on focus. */
export function Time({ value }: { value: string }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), refresh);
    return () => clearInterval(timer);
  }, []);
  return (
    <Tooltip label={formatExact(value)}>
      <time dateTime={value} style={{ whiteSpace: "nowrap" }}>
        {formatRelative(value, now)}
      </time>
    </Tooltip>
  );
}
