import { useQuery } from "@tanstack/react-query";
import { type Connection, connectionsOf } from "../../api/accounts";
import { plural } from "../../ui/format";

/** closesWords names what a revocation does now, with numbers: "Closes 3 connections on 2 brokers." */
export function closesWords(connections: Connection[]): string {
  if (connections.length === 0) return "Nobody is connected with it now.";
  const brokers = new Set(connections.map((connection) => connection.broker)).size;
  return `Closes ${plural(connections.length, "connection")} on ${plural(brokers, "broker")}.`;
}

/** useConnections keeps the account's connections current while a dialog shows what would be closed. */
export function useConnections(account: string, matches: (connection: Connection) => boolean) {
  const { data } = useQuery({ ...connectionsOf(account), refetchInterval: 2_000 });
  return data?.items.filter(matches);
}

/** countByKey is how many of the connections each credential has, by its public key. */
export function countByKey(connections: Connection[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { user_public_key: key } of connections) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
