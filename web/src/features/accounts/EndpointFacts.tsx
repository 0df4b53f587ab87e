import { Group, Text } from "@mantine/core";
import type { Endpoints } from "../../api/accounts";
import { CopyIcon } from "../../ui/CopyButton";
import { Facts } from "../../ui/Facts";

const protocols = [
  ["nats", "NATS"],
  ["websocket", "WebSocket"],
  ["mqtt", "MQTT"],
  ["leafnode", "Leaf node"],
] as const;

export function EndpointFacts({ endpoints }: { endpoints: Endpoints }) {
  return (
    <Facts
      items={protocols.map(([protocol, name]) => [
        name,
        endpoints[protocol].length === 0 ? (
          <Text size="sm" c="dimmed">
            Not offered
          </Text>
        ) : (
          endpoints[protocol].map((url) => (
            <Group key={url} gap={4} wrap="nowrap">
              <Text size="sm" ff="monospace">
                {url}
              </Text>
              <CopyIcon text={url} what={`${name} URL`} />
            </Group>
          ))
        ),
      ])}
    />
  );
}
