import type { DryRun } from "../../api/dryRun";
import { formatCount, plural } from "../../ui/format";

/** affectedWords names the consequence with numbers: "Closes 12 of 40 connections on 3 brokers." */
export function affectedWords({ connections, connections_closed, by_broker }: DryRun["affected"]): string {
  if (connections_closed === 0) return "Closes no connection.";
  const brokers = by_broker.filter(({ closed }) => closed > 0).length;
  return `Closes ${formatCount(connections_closed)} of ${plural(connections, "connection")} on ${plural(brokers, "broker")}.`;
}

/** valueWords writes a claim's value on one line; what is not there is a dash. */
export function valueWords(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
