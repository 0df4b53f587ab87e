import { Text } from "@mantine/core";
import type { RefusedLogin } from "../../api/accounts";
import { DataTable } from "../../ui/DataTable";
import { formatCount, shortenKey } from "../../ui/format";
import { TextLink } from "../../ui/links";
import { Time } from "../../ui/Time";
import { connectionTypeName } from "./connectionWords";

export function RefusalTable({ account, refusals }: { account: string; refusals: RefusedLogin[] }) {
  return (
    <DataTable
      label="Refused logins"
      rows={refusals}
      rowKey={(refusal) => refusal.id}
      columns={[
        { header: "Who", width: "18%", cell: (refusal) => <Who account={account} refusal={refusal} /> },
        {
          header: "Why",
          width: "42%",
          cell: (refusal) => (
            <>
              <Text size="sm">{refusal.explanation}</Text>
              <Text size="xs" c="dimmed">
                {[refusal.reason, refusal.detail].filter(Boolean).join(": ")}
              </Text>
            </>
          ),
        },
        {
          header: "From",
          cell: (refusal) => (
            <>
              <Text size="sm" ff="monospace">
                {refusal.address || "unknown"}
              </Text>
              <Text size="xs" c="dimmed">
                {[connectionTypeName(refusal.connection_type), refusal.broker].filter(Boolean).join(", ")}
              </Text>
            </>
          ),
        },
        { header: "Times", align: "right", cell: (refusal) => formatCount(refusal.count) },
        { header: "Last", cell: (refusal) => <Time value={refusal.last_at} /> },
      ]}
    />
  );
}

function Who({ account, refusal }: { account: string; refusal: RefusedLogin }) {
  if (refusal.user_id && refusal.user) {
    return (
      <>
        <TextLink to="/accounts/$account/users/$user" params={{ account, user: refusal.user_id }} size="sm">
          {refusal.user}
        </TextLink>
        <Text size="xs" c="dimmed">
          {refusal.credential || shortenKey(refusal.user_public_key)}
        </Text>
      </>
    );
  }
  if (refusal.user) {
    // A person who is signed in: there is no page about what stands for them.
    return (
      <>
        <Text size="sm">{refusal.user}</Text>
        <Text size="xs" c="dimmed">
          In the web UI
        </Text>
      </>
    );
  }
  return refusal.user_public_key ? (
    <>
      <Text size="sm">Not a user of this account</Text>
      <Text size="xs" c="dimmed" ff="monospace">
        {shortenKey(refusal.user_public_key)}
      </Text>
    </>
  ) : (
    <Text size="sm">Somebody without a readable credential</Text>
  );
}
