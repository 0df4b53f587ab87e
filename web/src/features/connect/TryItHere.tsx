import { Button, Group, Stack, Text } from "@mantine/core";
import { Globe } from "lucide-react";
import { useState } from "react";
import { useAct } from "../problems/useAct";
import { Notice } from "../../ui/Notice";
import { Status } from "../../ui/Status";
import classes from "./Connect.module.css";

type TryItHereProps = { creds?: string; websocketUrl?: string };

type Received = { subject: string; text: string; milliseconds: number };

/** TryItHere is a client in this page: it connects over WebSocket with the creds in memory and hears its own hello. */
export function TryItHere({ creds, websocketUrl }: TryItHereProps) {
  const [received, setReceived] = useState<Received>();
  const { act, pending, problem } = useAct(async () => {
    if (!creds || !websocketUrl) return;
    setReceived(undefined);
    // Loaded on demand: nobody else on this page needs a NATS client.
    const { sayHello } = await import("./sayHello");
    setReceived(await sayHello(websocketUrl, creds));
  });
  const blocked = websocketUrl?.startsWith("ws:") && window.location.protocol === "https:";

  return (
    <Stack gap="sm" align="flex-start">
      <Group gap="sm">
        <Button
          variant="default"
          leftSection={<Globe size={16} />}
          disabled={!creds || !websocketUrl || blocked}
          loading={pending}
          onClick={act}
        >
          Try it in this browser
        </Button>
        <Text size="sm" c="dimmed">
          {!websocketUrl
            ? "No broker offers WebSocket."
            : blocked
              ? "This page came over HTTPS, and browsers then refuse ws:// URLs; give the broker a wss:// one."
              : creds
                ? `Publishes to hello over ${websocketUrl}.`
                : "Works as soon as you have created creds."}
        </Text>
      </Group>
      <div role="status" className={classes.log}>
        {received && (
          <Status tone="ok">
            Received on <code>{received.subject}</code>: “{received.text}”, {received.milliseconds} ms after it was
            published
          </Status>
        )}
      </div>
      {problem && (
        <Notice tone="stopped" role="alert" title="The browser could not connect">
          {problem.message} Check that {websocketUrl} can be reached from here.
        </Notice>
      )}
    </Stack>
  );
}
