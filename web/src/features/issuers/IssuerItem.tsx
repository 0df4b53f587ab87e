import { Button, Group, Stack, Text } from "@mantine/core";
import type { OidcIssuer } from "../../api/oidcIssuers";
import { DataTable } from "../../ui/DataTable";
import { Facts } from "../../ui/Facts";
import { plural } from "../../ui/format";
import { ButtonLink } from "../../ui/links";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";
import classes from "./IssuerItem.module.css";
import { ruleSentence } from "./ruleSentence";

type IssuerItemProps = {
  issuer: OidcIssuer;
  /** Names by id; of a role that is not there, the rule lets nobody in. Absent while nobody knows. */
  roles?: Map<string, string>;
  mayEdit: boolean;
  onRevoke: () => void;
  onDelete: () => void;
};

/** IssuerItem is one issuer: whom its tokens stand for, whether its keys are fresh, and what can be done. */
export function IssuerItem({ issuer, roles, mayEdit, onRevoke, onDelete }: IssuerItemProps) {
  const { url } = issuer;
  return (
    <article className={classes.issuer} aria-label={url}>
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start" gap="sm">
          <div>
            <div className={classes.url}>{url}</div>
            {issuer.description && (
              <Text size="sm" c="dimmed">
                {issuer.description}
              </Text>
            )}
          </div>
          {mayEdit && (
            <Group gap="xs">
              <ButtonLink
                to="/accounts/$account/authentication/issuers/$issuer"
                params={{ account: issuer.account_id, issuer: issuer.id }}
                resetScroll={false}
                size="compact-sm"
                variant="default"
                aria-label={`Edit ${url}`}
              >
                Edit
              </ButtonLink>
              <Button
                size="compact-sm"
                variant="default"
                aria-label={`Revoke a subject's tokens of ${url}`}
                onClick={onRevoke}
              >
                Revoke a subject
              </Button>
              <Button
                size="compact-sm"
                variant="default"
                c="var(--sb-stopped)"
                aria-label={`Delete ${url}`}
                onClick={onDelete}
              >
                Delete
              </Button>
            </Group>
          )}
        </Group>
        <Facts
          items={[
            ["Audiences", issuer.audiences.join(", ")],
            ["Keys", <Keys key="keys" issuer={issuer} />],
          ]}
        />
        <div>
          <Text size="sm" fw={500} mb={4}>
            Whom its tokens stand for
          </Text>
          <ol className={classes.rules}>
            {issuer.rules.map((rule, index) => {
              const role = roles?.get(rule.role_id);
              return (
                <li key={index}>
                  {ruleSentence(rule, role ?? (roles ? "that is gone" : "…"))}
                  {roles && role === undefined && (
                    <div>
                      <Status tone="attention">Its role was deleted: it lets nobody in</Status>
                    </div>
                  )}
                </li>
              );
            })}
          </ol>
        </div>
        {issuer.revoked_subjects.length > 0 && (
          <details className={classes.revoked}>
            <summary>{plural(issuer.revoked_subjects.length, "subject")} revoked</summary>
            <DataTable
              label={`Revoked subjects of ${url}`}
              rows={issuer.revoked_subjects.toReversed()}
              rowKey={({ subject }) => subject}
              columns={[
                {
                  header: "Subject",
                  cell: ({ subject }) => <code style={{ overflowWrap: "anywhere" }}>{subject}</code>,
                },
                { header: "Reason", cell: ({ reason }) => reason || "–" },
                { header: "Tokens until", cell: ({ revoked_at }) => <Time value={revoked_at} /> },
              ]}
            />
          </details>
        )}
      </Stack>
    </article>
  );
}

function Keys({ issuer: { key_ids, keys_read_at, keys_error } }: { issuer: OidcIssuer }) {
  if (keys_error === null) {
    return (
      <Status tone="ok">
        {plural(key_ids.length, "key")}, read <Time value={keys_read_at} />
      </Status>
    );
  }
  return (
    <Stack gap={2}>
      <Status tone="attention">
        Cannot be read since; {plural(key_ids.length, "key")} of <Time value={keys_read_at} />{" "}
        {key_ids.length === 1 ? "counts" : "count"}
      </Status>
      <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        {keys_error}
      </Text>
    </Stack>
  );
}
