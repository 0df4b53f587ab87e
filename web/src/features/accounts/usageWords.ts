import type { AccountUsage } from "../../api/accounts";
import { formatBytes, formatCount } from "../../ui/format";

/** usesByPointer says what is used of an account's limits now, by the limit's pointer. */
export function usesByPointer(usage: AccountUsage): Map<string, string> {
  const uses = new Map([
    ["/connections", count(usage.connections.used)],
    ["/leaf_nodes", count(usage.leaf_nodes.used)],
  ]);
  const { total, tiers } = usage.jetstream;
  for (const [prefix, used] of [
    ["/jetstream", total] as const,
    ...Object.entries(tiers).map(([name, tier]) => [`/jetstream/tiers/${name}`, tier] as const),
  ]) {
    if (!used) continue;
    uses.set(`${prefix}/memory_bytes`, `${formatBytes(used.memory_bytes.used)} used now`);
    uses.set(`${prefix}/disk_bytes`, `${formatBytes(used.disk_bytes.used)} used now`);
    uses.set(`${prefix}/streams`, count(used.streams.used));
  }
  return uses;
}

/** usesByType says how many are connected over each type now. */
export function usesByType(usage: AccountUsage): Map<string, string> {
  return new Map(usage.connection_types.map(({ connection_type: type, used }) => [type, count(used)]));
}

function count(used: number): string {
  return `${formatCount(used)} now`;
}
