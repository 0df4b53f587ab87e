import { Text } from "@mantine/core";
import type { RetiredStream } from "../../api/accounts";
import { DataTable } from "../../ui/DataTable";
import { formatBytes, formatCount } from "../../ui/format";

export function StreamTable({ streams }: { streams: RetiredStream[] }) {
  return (
    <DataTable
      label="What is stored"
      rows={streams}
      rowKey={(stream) => stream.name}
      columns={[
        {
          header: "Stream",
          cell: (stream) => (
            <>
              <Text size="sm" fw={500}>
                {stream.name}
              </Text>
              <Text size="xs" c="dimmed">
                {stream.storage === "memory" ? "In memory" : "On disk"}, {stream.brokers.join(", ")}
              </Text>
            </>
          ),
        },
        { header: "Messages", align: "right", cell: (stream) => formatCount(stream.messages) },
        { header: "Size", align: "right", cell: (stream) => formatBytes(stream.bytes) },
        { header: "Consumers", align: "right", cell: (stream) => formatCount(stream.consumers) },
      ]}
    />
  );
}
