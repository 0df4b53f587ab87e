import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { accountById } from "../../api/accounts";
import { userById } from "../../api/users";
import { Key } from "../../ui/Key";
import { TextLink } from "../../ui/links";

export const isUserId = (id: string) => id.startsWith("usr_");

/** AuthUserName is who is not left to a service: a user, or a credential by its public key. */
export function AuthUserName({ id }: { id: string }) {
  const user = useQuery({ ...userById(id), enabled: isUserId(id) });
  if (!isUserId(id)) return <Key value={id} what="public key" />;
  if (!user.data) {
    return (
      <Text size="sm" c="dimmed">
        {user.error ? `${id}: it is there no more` : id}
      </Text>
    );
  }
  return (
    <TextLink to="/accounts/$account/users/$user" params={{ account: user.data.account_id, user: id }} size="sm">
      {user.data.name}
    </TextLink>
  );
}

export function AccountName({ id }: { id: string }) {
  const account = useQuery(accountById(id));
  return (
    <TextLink to="/accounts/$account" params={{ account: id }} size="sm">
      {account.data?.name ?? id}
    </TextLink>
  );
}
