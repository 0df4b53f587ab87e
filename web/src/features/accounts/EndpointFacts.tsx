import { Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { Endpoints } from "../../api/accounts";
import { CopyIcon } from "../../ui/CopyButton";
import { Facts } from "../../ui/Facts";
import { Authority } from "./Authority";
import { endpointRows } from "./endpoints";

export function EndpointFacts({ endpoints }: { endpoints: Endpoints }) {
  const offered = endpointRows(endpoints).filter(([, urls]) => urls.length > 0);
  const missing = endpointRows(endpoints).filter(([, urls]) => urls.length === 0);
  const rows = offered.map(([name, urls]): [string, ReactNode] => [
    name,
    urls.map((url) => (
      <Group key={url} gap={4}>
        <Group gap={4} wrap="nowrap">
          <Text size="sm" ff="monospace">
            {url}
          </Text>
          <CopyIcon text={url} what={`${name} URL`} />
        </Group>
        {endpoints.tls_first.includes(url) && (
          <Text size="xs" c="dimmed">
            {endpoints.tls_first_only.includes(url) ? "TLS handshake first only" : "also TLS handshake first"}
          </Text>
        )}
      </Group>
    )),
  ]);
  if (missing.length > 0) {
    rows.push([
      "Not offered",
      <Text key="missing" size="sm" c="dimmed">
        {missing.map(([name]) => name).join(", ")}
      </Text>,
    ]);
  }
  if (endpoints.ca_pem !== null) rows.push(["To trust", <Authority key="authority" pem={endpoints.ca_pem} />]);
  return <Facts items={rows} />;
}
