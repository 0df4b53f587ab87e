import { Text } from "@mantine/core";
import type { TenantEvent } from "../../api/tenants";
import { DataTable } from "../../ui/DataTable";
import { TextLink } from "../../ui/links";
import { Status, type Tone } from "../../ui/Status";
import { Time } from "../../ui/Time";

const kinds: Record<TenantEvent["type"], { tone: Tone; words: string }> = {
  "credential.expiring": { tone: "attention", words: "Creds will expire" },
  "credential.expired": { tone: "stopped", words: "Creds have expired" },
  "device_login.expiring": { tone: "attention", words: "A device login will expire" },
  "device_login.expired": { tone: "stopped", words: "A device login has expired" },
};

export function EventTable({ events }: { events: TenantEvent[] }) {
  return (
    <DataTable
      label="Events"
      rows={events}
      rowKey={(event) => event.id}
      columns={[
        {
          header: "What",
          cell: (event) => <Status tone={kinds[event.type].tone}>{kinds[event.type].words}</Status>,
        },
        { header: "To what", cell: (event) => <Subject event={event} /> },
        {
          header: "Expiry",
          cell: (event) => {
            const expires = text(event, "expires_at");
            return expires ? <Time value={expires} /> : null;
          },
        },
        { header: "When", cell: (event) => <Time value={event.at} /> },
      ]}
    />
  );
}

function Subject({ event }: { event: TenantEvent }) {
  const account = text(event, "account_id");
  return (
    <>
      {event.type.startsWith("device_login.") ? (
        <TextLink
          to="/accounts/$account/users/$user"
          params={{ account, user: text(event, "user_id") }}
          size="sm"
          fw={500}
        >
          {text(event, "name") || "Unnamed"}
        </TextLink>
      ) : (
        <TextLink
          to="/accounts/$account/credentials/$credential"
          params={{ account, credential: event.subject }}
          size="sm"
          fw={500}
        >
          {text(event, "name") || "Unnamed"}
        </TextLink>
      )}
      <Text size="xs" c="dimmed">
        of {text(event, "user")}
      </Text>
    </>
  );
}

/** What `data` holds is said by the event's type; "" where it does not have it. */
function text({ data }: TenantEvent, name: string): string {
  const value = data[name];
  return typeof value === "string" ? value : "";
}
