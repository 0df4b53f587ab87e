import { Text } from "@mantine/core";
import type { Credential } from "../../api/credentials";
import { Time } from "../../ui/Time";
import { connectionTypeName } from "../accounts/connectionWords";

/** LastSeen is the last login with a credential: when, from where, over what, with which client, at which broker. */
export function LastSeen({ seen }: { seen: Credential["last_seen"] }) {
  if (seen === null) {
    return (
      <Text size="sm" c="dimmed">
        Never
      </Text>
    );
  }
  const over = connectionTypeName(seen.connection_type);
  return (
    <>
      <Time value={seen.at} />
      <Text size="xs" c="dimmed">
        from <code>{seen.address}</code>
        {over && ` over ${over}`}, {seen.broker}
      </Text>
      {seen.client && (
        <Text size="xs" c="dimmed" lineClamp={1}>
          {seen.client}
        </Text>
      )}
    </>
  );
}
