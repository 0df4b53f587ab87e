import { Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck } from "lucide-react";
import { useState } from "react";
import { type Connection, connectionsOf, refusalsOf } from "../../api/accounts";
import { plural } from "../../ui/format";
import { clientWords, protocolName } from "../accounts/connectionWords";
import classes from "./Connect.module.css";

const poll = 1_000;

type WaitForConnectionProps = {
  account: string;
  /** The credential just issued; undefined before. */
  publicKey?: string;
};

/**
 * WaitForConnection watches for the first client that uses the creds just made, and remembers it when it has gone. It
 * says why one was refused, which the client itself is not told.
 */
export function WaitForConnection({ account, publicKey }: WaitForConnectionProps) {
  const [seen, setSeen] = useState<Connection>();
  const connections = useQuery({ ...connectionsOf(account), refetchInterval: poll });
  const refusals = useInfiniteQuery({ ...refusalsOf(account), refetchInterval: poll, enabled: !!publicKey });
  const refusal = refusals.data?.pages[0]?.items.find((refused) => refused.user_public_key === publicKey);
  const items = connections.data?.items;
  const match = publicKey ? items?.find((connection) => connection.user_public_key === publicKey) : undefined;
  if (match && match !== seen) setSeen(match);
  const connection = match ?? (seen?.user_public_key === publicKey ? seen : undefined);

  if (connection) {
    const client = clientWords(connection);
    return (
      <div className={classes.wait} data-connected="true" role="status">
        <CircleCheck size={18} aria-hidden />
        <div>
          <Text size="sm" fw={600}>
            Connected from {connection.address} over {protocolName(connection.client_type)}
          </Text>
          <Text size="sm" c="dimmed">
            {[
              client,
              connection.user && `as ${connection.user}`,
              `on ${connection.broker}`,
              connection.messages_in > 0 && `${plural(connection.messages_in, "message")} published`,
            ]
              .filter(Boolean)
              .join(", ")}
            {match ? "." : "; it has left since."}
          </Text>
        </div>
      </div>
    );
  }
  if (publicKey && refusal) {
    return (
      <div className={classes.wait} role="status">
        <CircleAlert size={18} aria-hidden />
        <div>
          <Text size="sm" fw={600}>
            A client from {refusal.address} was refused
          </Text>
          <Text size="sm" c="dimmed">
            {refusal.explanation} Still waiting.
          </Text>
        </div>
      </div>
    );
  }
  return (
    <div className={classes.wait} role="status">
      <span className={classes.pulse} data-idle={!publicKey} aria-hidden />
      <Text size="sm">
        {publicKey
          ? "Waiting for your first connection…"
          : items && items.length > 0
            ? `${plural(items.length, "client")} connected to this account now. Create creds to watch for another.`
            : "Create creds, and this watches for your first connection."}
      </Text>
    </div>
  );
}
