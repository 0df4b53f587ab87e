import { Progress, Text } from "@mantine/core";
import { formatCount, formatBytes, formatLimit } from "./format";
import classes from "./Meter.module.css";

type MeterProps = {
  label: string;
  unit: "count" | "bytes";
  used: number;
  /** -1 is unlimited, 0 none. */
  limit: number;
};

/** Meter is how much of a limit is used, in numbers and as a bar; without a limit there is no bar. */
export function Meter({ label, unit, used, limit }: MeterProps) {
  const format = unit === "bytes" ? formatBytes : formatCount;
  // Without bounds of its own it has taken all there is.
  const boundless = used === -1;
  const share = boundless ? 100 : limit <= 0 ? (used > 0 && limit === 0 ? 100 : 0) : (used / limit) * 100;
  return (
    <div>
      <div className={classes.head}>
        <Text size="sm">{label}</Text>
        <Text size="sm" className={classes.numbers}>
          {boundless ? "unlimited" : format(used)} of{" "}
          {limit <= 0 ? formatLimit(limit, unit).toLowerCase() : format(limit)}
          {limit >= 0 && used > limit && " (over)"}
        </Text>
      </div>
      {limit !== -1 && (
        <Progress
          value={Math.min(share, 100)}
          size={6}
          color={share >= 100 ? "var(--sb-stopped)" : share >= 80 ? "var(--sb-attention)" : undefined}
          aria-label={`${formatLimit(used, unit)} of ${formatLimit(limit, unit)} used: ${label}`}
        />
      )}
    </div>
  );
}
