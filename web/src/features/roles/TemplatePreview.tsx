import { Select, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Account } from "../../api/accounts";
import { usersOf } from "../../api/users";
import { Facts } from "../../ui/Facts";
import type { PermissionForm } from "./PermissionFields";
import { expand, hasVariables, type TemplateFacts, variables } from "./template";
import classes from "./TemplatePreview.module.css";

/** TemplatePreview says what the variables mean, and what the subjects become for a user that one chooses. */
export function TemplatePreview({ account, form }: { account: Account; form: PermissionForm }) {
  const [q, setQ] = useState("");
  const [asked] = useDebouncedValue(q, 200);
  const [chosen, setChosen] = useState<string | null>(null);
  const used = hasVariables([
    ...form.publish.only,
    ...form.subscribe.only,
    ...form.never.both,
    ...form.never.publish,
    ...form.never.subscribe,
  ]);
  const users = useInfiniteQuery({
    ...usersOf(account.id, { q: asked || undefined, sort: "name" }),
    enabled: used,
    placeholderData: keepPreviousData,
  });
  const rows = users.data?.pages.flatMap((page) => page.items) ?? [];
  const user = rows.find((candidate) => candidate.id === chosen) ?? rows[0];
  const facts: TemplateFacts | undefined = user && {
    userName: user.name,
    userTags: user.tags,
    accountName: account.name,
    accountKey: account.public_key,
    accountTags: account.tags,
  };
  return (
    <details className={classes.preview} open={used || undefined}>
      <summary>One role, each user its own subjects</summary>
      <Stack gap="md" mt="sm">
        <Text size="sm" c="dimmed">
          Write a variable in a subject, as in <code>{"devices.{{name()}}.>"}</code>, and each user gets its own value
          there.
        </Text>
        <Facts items={variables.map(({ write, means }) => [write, means])} mono />
        {used && user && facts && (
          <Stack gap="xs">
            <Select
              label="What it comes to for"
              searchable
              data={rows.map(({ id, name }) => ({ value: id, label: name }))}
              value={user.id}
              onChange={setChosen}
              onSearchChange={setQ}
              filter={({ options }) => options}
              nothingFoundMessage="No user of that name"
              maw={280}
            />
            <Facts
              items={[
                ["May publish to", <Subjects key="publish" may={form.publish} facts={facts} />],
                ["May subscribe to", <Subjects key="subscribe" may={form.subscribe} facts={facts} />],
                ["Never", <Listed key="never" subjects={neverOf(form)} facts={facts} />],
              ]}
            />
          </Stack>
        )}
        {used && users.data && rows.length === 0 && !asked && (
          <Text size="sm">The account has no users yet: with the first, this shows what the subjects become.</Text>
        )}
      </Stack>
    </details>
  );
}

function neverOf({ never }: PermissionForm): string[] {
  return [...never.both, ...never.publish, ...never.subscribe];
}

function Subjects({ may, facts }: { may: PermissionForm["publish"]; facts: TemplateFacts }) {
  if (may.reach === "everything") return "Everything in the account";
  if (may.reach === "nothing") return "Nothing";
  return <Listed subjects={may.only} facts={facts} />;
}

function Listed({ subjects, facts }: { subjects: string[]; facts: TemplateFacts }) {
  if (subjects.length === 0) return "Nothing";
  return (
    <ul className={classes.subjects}>
      {subjects.map((subject) => {
        const expanded = expand(subject, facts);
        return expanded.length > 0 ? (
          expanded.map((one) => <li key={`${subject} ${one}`}>{one}</li>)
        ) : (
          <li key={subject} data-void>
            {subject} is no subject for this user
          </li>
        );
      })}
    </ul>
  );
}
