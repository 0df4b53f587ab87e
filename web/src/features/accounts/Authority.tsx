import { Button, Stack, Text } from "@mantine/core";
import { ShieldCheck } from "lucide-react";
import { downloadFile } from "../creds/download";
import { authorityFile } from "./endpoints";

/** Authority hands out what a client must trust at the encrypted URLs. */
export function Authority({ pem }: { pem: string }) {
  return (
    <Stack gap={6} align="flex-start">
      <Text size="sm">
        The brokers' certificates are signed by an authority that clients do not know by themselves. Give it to them.
      </Text>
      <Button
        size="xs"
        variant="default"
        leftSection={<ShieldCheck size={14} />}
        onClick={() => downloadFile(authorityFile, pem)}
      >
        Download {authorityFile}
      </Button>
    </Stack>
  );
}
