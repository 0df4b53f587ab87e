import { Loader, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type BrokerDelivery, deliveryOf } from "../../api/accounts";
import { toProblem } from "../../api/client";
import { Status } from "../../ui/Status";
import { ProblemNotice } from "../problems/ProblemNotice";
import classes from "./DeliveryProgress.module.css";

const poll = 400;

/** DeliveryProgress shows the brokers confirming the account's last change one by one, until it is in force on all. */
export function DeliveryProgress({ account }: { account: string }) {
  const delivery = useQuery({
    ...deliveryOf(account),
    // What was read before the change says nothing about it.
    staleTime: 0,
    refetchOnMount: "always",
    refetchInterval: (query) => (query.state.data?.in_force ? false : poll),
  });
  if (delivery.error) {
    return (
      <ProblemNotice
        problem={toProblem(delivery.error)}
        title="Could not ask which brokers have confirmed"
        onRetry={() => void delivery.refetch()}
      />
    );
  }
  const fresh = delivery.data && delivery.isFetchedAfterMount ? delivery.data : undefined;
  return (
    <Stack gap={8} aria-live="polite">
      <Text size="sm" fw={500}>
        {!fresh ? "Asking the brokers…" : fresh.in_force ? "In force on every broker" : "Brokers confirming…"}
      </Text>
      {fresh?.brokers.length === 0 && (
        <Text size="sm" c="dimmed">
          No broker is enrolled, so there is nobody to tell.
        </Text>
      )}
      {fresh && (
        <ul className={classes.brokers} aria-label="Brokers">
          {fresh.brokers.map((broker) => (
            <li key={`${broker.kind} ${broker.broker}`}>
              <span>{broker.broker}</span>
              <BrokerState broker={broker} />
            </li>
          ))}
        </ul>
      )}
    </Stack>
  );
}

function BrokerState({ broker }: { broker: BrokerDelivery }) {
  if (broker.refusal !== null) return <Status tone="stopped">Refused: {broker.refusal}</Status>;
  if (broker.in_force) return <Status tone="ok">Confirmed</Status>;
  return (
    <span className={classes.waiting}>
      <Loader size={12} aria-hidden /> Waiting
    </span>
  );
}
