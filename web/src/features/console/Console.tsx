import { Button, Group, Skeleton, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { Inbox, PlugZap, Send } from "lucide-react";
import { useState } from "react";
import type { Account } from "../../api/accounts";
import { plural } from "../../ui/format";
import { EmptyState } from "../../ui/EmptyState";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import classes from "./Console.module.css";
import { obstacleTo } from "./obstacle";
import { type ConsoleState, type Heard, useConsole } from "./useConsole";

const mono = { input: { fontFamily: "var(--mantine-font-family-monospace)" } };

/** Console publishes and subscribes from this page, with the cookie of who is signed in and no creds. */
export function Console({ account }: { account: Account }) {
  const console = useConsole(account);
  const { state } = console;
  const session = "session" in state ? state.session : undefined;
  return (
    <Stack gap="lg">
      <Panel
        title="This browser"
        description="Connects over WebSocket as you, without creds: a cookie that no script can read, renewed while you are here."
        actions={
          session && (
            <Button variant="default" onClick={console.disconnect}>
              Disconnect
            </Button>
          )
        }
      >
        <Stack gap="md">
          <div role="status">
            <Connected state={state} />
          </div>
          {state.is === "away" && (
            <>
              {state.problem && <Obstacle state={state} />}
              <Group>
                <Button leftSection={<PlugZap size={16} />} onClick={() => void console.connect()}>
                  Connect
                </Button>
              </Group>
            </>
          )}
          {state.is === "connecting" && <Skeleton height={36} width={120} />}
          {session && (
            <div className={classes.forms}>
              <Listen
                listening={console.subject}
                busy={state.is !== "connected"}
                onListen={console.listen}
                onSilence={console.silence}
              />
              {session.may_publish ? (
                <Publish busy={state.is !== "connected"} onPublish={console.publish} />
              ) : (
                <Notice tone="info" title="You may listen only">
                  Viewers do not publish. Developers of this team do.
                </Notice>
              )}
            </div>
          )}
        </Stack>
      </Panel>
      {(session ?? console.heard.total > 0) && (
        <Messages heard={console.heard} subject={console.subject} onClear={console.clear} />
      )}
    </Stack>
  );
}

function Connected({ state }: { state: ConsoleState }) {
  switch (state.is) {
    case "away":
      return <Status tone={state.problem ? "stopped" : "quiet"}>Not connected</Status>;
    case "connecting":
      return <Status tone="quiet">Connecting…</Status>;
    case "reconnecting":
      return <Status tone="attention">The connection was lost; connecting again…</Status>;
    case "connected":
      return (
        <Status tone="ok">
          Connected to {state.broker} as {state.session.user}, <Time value={state.since} />
        </Status>
      );
  }
}

function Obstacle({ state }: { state: Extract<ConsoleState, { is: "away" }> }) {
  const { problem } = state;
  if (!problem) return null;
  const hint = obstacleTo(problem);
  return (
    <>
      <ProblemNotice problem={problem} title="This browser is not connected" />
      {hint && <Notice tone="info">{hint}</Notice>}
    </>
  );
}

type ListenProps = {
  listening?: string;
  busy: boolean;
  onListen: (subject: string) => Promise<void>;
  onSilence: () => void;
};

function Listen({ listening, busy, onListen, onSilence }: ListenProps) {
  const [subject, setSubject] = useState("hello.>");
  const { act, pending, problem } = useAct(() => onListen(subject.trim()));
  return (
    <form
      aria-label="Subscribe"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        act();
      }}
    >
      <Stack gap="sm">
        <TextInput
          label="Subject to subscribe to"
          description="* stands for one token, > for all that follow."
          value={subject}
          onChange={(event) => setSubject(event.currentTarget.value)}
          error={problem?.message}
          styles={mono}
        />
        <Group gap="sm">
          <Button type="submit" disabled={busy || subject.trim() === ""} loading={pending}>
            Subscribe
          </Button>
          {listening !== undefined && (
            <Button variant="default" onClick={onSilence}>
              Unsubscribe
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}

type PublishProps = { busy: boolean; onPublish: (subject: string, text: string) => Promise<void> };

function Publish({ busy, onPublish }: PublishProps) {
  const [subject, setSubject] = useState("hello.world");
  const [text, setText] = useState("");
  const [sent, setSent] = useState<string>();
  const { act, pending, problem } = useAct(async () => {
    setSent(undefined);
    await onPublish(subject.trim(), text);
    setSent(subject.trim());
  });
  return (
    <form
      aria-label="Publish"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        act();
      }}
    >
      <Stack gap="sm">
        <TextInput
          label="Subject to publish to"
          value={subject}
          onChange={(event) => setSubject(event.currentTarget.value)}
          error={problem?.message}
          styles={mono}
        />
        <Textarea
          label="Message"
          autosize
          minRows={2}
          maxRows={10}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Group gap="sm">
          <Button
            type="submit"
            variant="default"
            leftSection={<Send size={16} />}
            disabled={busy || subject.trim() === ""}
            loading={pending}
          >
            Publish
          </Button>
          <div role="status">{sent !== undefined && <Status tone="ok">Published to {sent}</Status>}</div>
        </Group>
      </Stack>
    </form>
  );
}

type MessagesProps = { heard: { total: number; messages: Heard[] }; subject?: string; onClear: () => void };

function Messages({ heard, subject, onClear }: MessagesProps) {
  const more = heard.total - heard.messages.length;
  return (
    <Panel
      flush
      title={heard.total > 0 ? plural(heard.total, "message") : "Messages"}
      description={subject === undefined ? "Not subscribed." : `Subscribed to ${subject}. The newest comes first.`}
      actions={
        heard.total > 0 && (
          <Button variant="default" size="xs" onClick={onClear}>
            Clear
          </Button>
        )
      }
    >
      {heard.messages.length === 0 ? (
        <EmptyState icon={<Inbox size={32} />} title={subject === undefined ? "Nothing to hear yet" : "Listening…"}>
          {subject === undefined
            ? "Subscribe to a subject; what is published to it from then on, by any client of the account, appears here."
            : "Publish something, here or from any client of the account."}
        </EmptyState>
      ) : (
        <ol className={classes.messages} aria-label="Messages">
          {heard.messages.map((message) => (
            <li key={message.number}>
              <code>{message.subject}</code>
              <pre className={classes.text}>
                {message.text === "" ? (
                  <Text component="span" size="sm" c="dimmed">
                    empty
                  </Text>
                ) : (
                  message.text
                )}
                {message.cut && ` … (${message.bytes} bytes)`}
              </pre>
              <Text component="span" size="xs" c="dimmed">
                <Time value={message.at} />
              </Text>
            </li>
          ))}
        </ol>
      )}
      {more > 0 && (
        <Text size="xs" c="dimmed" px={20} py="sm">
          {plural(more, "earlier message")} not shown.
        </Text>
      )}
    </Panel>
  );
}
