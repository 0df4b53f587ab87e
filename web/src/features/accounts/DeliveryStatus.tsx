import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type AccountDelivery, deliveryOf } from "../../api/accounts";
import { plural } from "../../ui/format";
import { Status, type Tone } from "../../ui/Status";

/** deliveryWords says whether an account's last change is in force, and where not yet. */
export function deliveryWords(delivery: AccountDelivery): { tone: Tone; words: string } {
  const { brokers } = delivery;
  if (brokers.length === 0) return { tone: "attention", words: "No broker enrolled" };
  const refused = brokers.filter((broker) => broker.refusal !== null).length;
  if (refused > 0) return { tone: "stopped", words: `Refused by ${plural(refused, "broker")}` };
  if (delivery.in_force) return { tone: "ok", words: `In force on ${plural(brokers.length, "broker")}` };
  const waiting = brokers.filter((broker) => !broker.in_force).length;
  return { tone: "attention", words: `Waiting for ${waiting} of ${plural(brokers.length, "broker")}` };
}

/** DeliveryStatus asks again often while a change is on its way, and now and then when it is in force. */
export function DeliveryStatus({ account }: { account: string }) {
  const delivery = useQuery({
    ...deliveryOf(account),
    refetchInterval: (query) => (query.state.data?.in_force ? 15_000 : 1_000),
  });
  if (delivery.data) {
    const { tone, words } = deliveryWords(delivery.data);
    return <Status tone={tone}>{words}</Status>;
  }
  if (delivery.error) return <Status tone="quiet">Delivery unknown</Status>;
  return <Skeleton height={14} width={130} />;
}
