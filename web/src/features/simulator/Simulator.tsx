import { Button, Group, SegmentedControl, Select, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Account } from "../../api/accounts";
import type { ConnectionType } from "../../api/roles";
import { simulate, type Simulation, type SimulationRequest } from "../../api/simulation";
import { userById, usersOf } from "../../api/users";
import { Panel } from "../../ui/Panel";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";
import { connectionTypeNames } from "../roles/roleSentence";
import { SimulationResult } from "./SimulationResult";

type SimulatorProps = { account: Account; user?: string; onUser: (user: string) => void };

type Action = SimulationRequest["action"];
const verbs: Record<Action, string> = { connect: "Connect", publish: "Publish", subscribe: "Subscribe" };

/** Simulator asks what a broker would answer, without a client: "May this user …?" */
export function Simulator({ account, user: chosen, onUser }: SimulatorProps) {
  const [q, setQ] = useState("");
  const [asked] = useDebouncedValue(q, 200);
  const users = useInfiniteQuery({
    ...usersOf(account.id, { q: asked || undefined, sort: "name" }),
    placeholderData: keepPreviousData,
  });
  const linked = useQuery({ ...userById(chosen ?? ""), enabled: chosen !== undefined });
  const rows = users.data?.pages.flatMap((page) => page.items) ?? [];
  const user = rows.find(({ id }) => id === chosen) ?? linked.data ?? (chosen ? undefined : rows[0]);
  const options = user && !rows.some(({ id }) => id === user.id) ? [user, ...rows] : rows;

  const [action, setAction] = useState<Action>("publish");
  const [subject, setSubject] = useState("");
  const [queue, setQueue] = useState("");
  const [type, setType] = useState<ConnectionType>("STANDARD");
  const [address, setAddress] = useState("");
  const [at, setAt] = useState("");
  const [answered, setAnswered] = useState<{ simulation: Simulation; sentence: string }>();

  const { act, pending, problem } = useAct(async () => {
    if (!user) return;
    const request: SimulationRequest = {
      account_id: account.id,
      user_id: user.id,
      action,
      connection_type: type,
      ...(action !== "connect" && { subject: subject.trim() }),
      ...(action === "subscribe" && queue.trim() !== "" && { queue: queue.trim() }),
      ...(address.trim() !== "" && { address: address.trim() }),
      ...(at !== "" && { at: new Date(at).toISOString() }),
    };
    setAnswered(undefined);
    const simulation = await simulate(request);
    setAnswered({ simulation, sentence: answerOf(user.name, simulation.allowed, request) });
  });
  const form = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, ["/user_id", "/subject", "/queue", "/connection_type", "/address", "/at"]);

  return (
    <Stack gap="lg">
      <Panel
        title="May this user …?"
        description="Answered as a broker would, by the same checks in the same order, with what is in force now."
      >
        <form
          ref={form}
          noValidate
          aria-label="May this user …?"
          onSubmit={(event) => {
            event.preventDefault();
            act();
          }}
        >
          <Stack gap="md">
            <SimpleGrid cols={{ base: 1, xs: 2 }}>
              <Select
                label="User"
                searchable
                data={options.map(({ id, name }) => ({ value: id, label: name }))}
                value={user?.id ?? null}
                onChange={(next) => next && onUser(next)}
                onSearchChange={setQ}
                filter={({ options: found }) => found}
                nothingFoundMessage="No user of that name"
                error={errors.at("/user_id")}
              />
              <div>
                <SegmentedControl
                  aria-label="Do what"
                  fullWidth
                  mt={{ base: 0, xs: 24 }}
                  data={Object.entries(verbs).map(([value, label]) => ({ value, label }))}
                  value={action}
                  onChange={(next) => setAction(next as Action)}
                />
              </div>
              {action !== "connect" && (
                <TextInput
                  label="Subject"
                  placeholder="orders.new"
                  styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
                  value={subject}
                  onChange={(event) => setSubject(event.currentTarget.value)}
                  error={errors.at("/subject")}
                />
              )}
              {action === "subscribe" && (
                <TextInput
                  label="Queue group"
                  placeholder="None"
                  value={queue}
                  onChange={(event) => setQueue(event.currentTarget.value)}
                  error={errors.at("/queue")}
                />
              )}
              <Select
                label="Over"
                data={Object.entries(connectionTypeNames).map(([value, words]) => ({
                  value,
                  label: words.charAt(0).toUpperCase() + words.slice(1),
                }))}
                value={type}
                onChange={(next) => setType((next ?? "STANDARD") as ConnectionType)}
                error={errors.at("/connection_type")}
              />
              <TextInput
                label="From address"
                placeholder="Anywhere"
                value={address}
                onChange={(event) => setAddress(event.currentTarget.value)}
                error={errors.at("/address")}
              />
              <TextInput
                type="datetime-local"
                label="When"
                description="Empty: now."
                inputWrapperOrder={["label", "input", "description", "error"]}
                value={at}
                onChange={(event) => setAt(event.currentTarget.value)}
                error={errors.at("/at")}
              />
            </SimpleGrid>
            {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
            <Group justify="flex-end">
              <Button type="submit" loading={pending} disabled={!user}>
                Ask
              </Button>
            </Group>
          </Stack>
        </form>
      </Panel>
      {answered && (
        <Panel title="Answer">
          <SimulationResult {...answered} />
        </Panel>
      )}
    </Stack>
  );
}

/** answerOf says again what was asked, since the form may say something else by now. */
function answerOf(
  name: string,
  allowed: boolean,
  { action, subject, queue, connection_type, address, at }: SimulationRequest,
): string {
  const what = {
    connect: "connect",
    publish: `publish to ${subject}`,
    subscribe: `subscribe to ${subject}${queue ? ` in queue group ${queue}` : ""}`,
  }[action];
  const over = connection_type ? ` over ${connectionTypeNames[connection_type]}` : "";
  const from = address ? ` from ${address}` : "";
  const when = at ? ` at ${new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })}` : "";
  return `${name} may${allowed ? "" : " not"} ${what}${over}${from}${when}`;
}
