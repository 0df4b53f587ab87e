const unlimited = -1;

/** formatCount groups digits: 12,500. */
export function formatCount(value: number): string {
  return value.toLocaleString("en-US");
}

/** formatBytes uses binary units with at most one decimal: 1.5 MiB. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1)).toLocaleString("en-US")} ${units[unit]}`;
}

/** formatLimit says a limit the way the API means it: -1 is unlimited, 0 is none. */
export function formatLimit(value: number, unit: "count" | "bytes"): string {
  if (value === unlimited) return "Unlimited";
  if (value === 0) return "None";
  return unit === "bytes" ? formatBytes(value) : formatCount(value);
}

/** shortenKey keeps both ends of a key: the start says what kind it is, the end tells two of them apart. */
export function shortenKey(key: string): string {
  return key.length <= 15 ? key : `${key.slice(0, 6)}…${key.slice(-6)}`;
}

const steps: [limit: number, seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86_400, 3600, "hour"],
  [30 * 86_400, 86_400, "day"],
  [365 * 86_400, 30 * 86_400, "month"],
  [Infinity, 365 * 86_400, "year"],
];

/** formatRelative says how far a moment is from now: "3 hours ago", "in 2 days"; within 5 seconds "just now". */
export function formatRelative(time: string, now: number): string {
  const seconds = Math.round((Date.parse(time) - now) / 1000);
  if (Math.abs(seconds) < 5) return "just now";
  const [, size, unit] = steps.find(([limit]) => Math.abs(seconds) < limit) ?? [0, 1, "second" as const];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

/** formatRemaining counts down in the two units that matter: "6 days 4 hours", "3 minutes 20 seconds"; "0 seconds" when over. */
export function formatRemaining(until: string, now: number): string {
  const seconds = Math.max(0, Math.round((Date.parse(until) - now) / 1000));
  const units: [size: number, one: string][] = [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first === -1) return plural(0, "second");
  const parts: string[] = [];
  let rest = seconds;
  for (const [size, one] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(plural(count, one));
  }
  return parts.join(" ");
}

/** formatExact is the reader's own time zone with its name, to the second. */
export function formatExact(time: string): string {
  return new Date(time).toLocaleString("en-GB", {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  });
}

/** plural counts a noun: "1 client", "3 clients". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

const year = 365 * 86_400;

/** secondsOf reads an ISO 8601 duration; a year has 365 days and a month a twelfth of it, as control reckons. */
export function secondsOf(duration: string): number | undefined {
  const match = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(
    duration,
  );
  if (!match || duration === "P" || duration.endsWith("T")) return undefined;
  const sizes = [year, year / 12, 7 * 86_400, 86_400, 3600, 60, 1];
  return sizes.reduce((sum, size, index) => sum + size * Number(match[index + 1] ?? 0), 0);
}

/** formatDuration says a duration in the largest unit that divides it: "90 days"; as it is when it is not one. */
export function formatDuration(duration: string): string {
  const seconds = secondsOf(duration);
  if (seconds === undefined) return duration;
  const units: [size: number, one: string][] = [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ];
  const [size, one] = units.find(([candidate]) => seconds >= candidate && seconds % candidate === 0) ?? [1, "second"];
  return plural(seconds / size, one);
}

/** durationOf writes seconds as an ISO 8601 duration: PT5S. */
export function durationOf(seconds: number): string {
  return `PT${seconds}S`;
}
