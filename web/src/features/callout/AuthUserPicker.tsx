import { type ComboboxParsedItem, MultiSelect } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { accountCredentials } from "../../api/credentials";
import { accountDeviceLogins } from "../../api/deviceLogins";
import { usersOf, userById } from "../../api/users";
import { shortenKey } from "../../ui/format";
import { usable } from "../creds/usable";
import { loginName } from "../logins/loginWords";
import { isUserId } from "./names";

type AuthUserPickerProps = {
  account: string;
  value: string[];
  onChange: (value: string[]) => void;
  error?: string;
};

type Option = { value: string; label: string };

const publicKey = /^U[A-Z2-7]{55}$/;

/** AuthUserPicker picks users, or single creds and device logins of theirs. */
export function AuthUserPicker({ account, value, onChange, error }: AuthUserPickerProps) {
  const [search, setSearch] = useState("");
  const [asked] = useDebouncedValue(search.trim(), 200);
  const q = asked || undefined;
  const users = useInfiniteQuery({ ...usersOf(account, { q, sort: "name" }), placeholderData: keepPreviousData });
  const credentials = useInfiniteQuery(accountCredentials(account, { sort: "-created_at" }));
  const logins = useInfiniteQuery({
    ...accountDeviceLogins(account, { q, sort: "-created_at" }),
    placeholderData: keepPreviousData,
  });
  const picked = useQueries({ queries: value.filter(isUserId).map((id) => userById(id)) });

  const userOptions = unique(
    [
      ...picked.flatMap(({ data }) => (data ? [data] : [])),
      ...(users.data?.pages.flatMap((page) => page.items) ?? []),
    ].map(({ id, name }): Option => ({ value: id, label: name })),
  );
  const known: Option[] = [
    ...(credentials.data?.pages.flatMap((page) => page.items) ?? []).filter(usable).map((credential) => ({
      value: credential.public_key,
      label: `${credential.name || shortenKey(credential.public_key)} of ${credential.user}`,
    })),
    ...(logins.data?.pages.flatMap((page) => page.items) ?? [])
      .filter(usable)
      .map((login) => ({ value: login.public_key, label: `${loginName(login)} of ${login.user}` })),
  ];
  // What is picked stays in the list whatever is searched, and a key can be pasted.
  const named = new Set([...userOptions, ...known].map((option) => option.value));
  const others = [...value, search.trim()]
    .filter((id) => !named.has(id) && (value.includes(id) || publicKey.test(id)))
    .map((id) => ({ value: id, label: isUserId(id) ? id : shortenKey(id) }));
  return (
    <MultiSelect
      label="Not left to the service"
      description="Users, or single creds: the service's own above all. They get in as ever, and the service cannot lock you out of them."
      placeholder={value.length === 0 ? "Pick the user that the service connects as" : undefined}
      searchable
      searchValue={search}
      onSearchChange={setSearch}
      nothingFoundMessage="Nobody is called so"
      hidePickedOptions
      maxValues={256}
      filter={({ options, search: wanted }) => matching(options, wanted)}
      data={[
        { group: "Users", items: userOptions },
        { group: "Creds and device logins", items: unique([...known, ...others]) },
      ]}
      value={value}
      onChange={onChange}
      error={error}
    />
  );
}

function unique(options: Option[]): Option[] {
  return [...new Map(options.map((option) => [option.value, option])).values()];
}

/** matching looks in labels and for values, so that a pasted key finds its option. */
function matching(options: ComboboxParsedItem[], wanted: string): ComboboxParsedItem[] {
  const text = wanted.trim().toLowerCase();
  return options.map((option) =>
    "items" in option
      ? {
          ...option,
          items: option.items.filter(
            ({ label, value }) => label.toLowerCase().includes(text) || value.toLowerCase() === text,
          ),
        }
      : option,
  );
}
