import { Anchor } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Fingerprint, Plus } from "lucide-react";
import { useState } from "react";
import type { Account } from "../../api/accounts";
import { type OidcIssuer, oidcIssuersOf } from "../../api/oidcIssuers";
import { rolesOf } from "../../api/roles";
import { EmptyState } from "../../ui/EmptyState";
import { ButtonLink } from "../../ui/links";
import { LoadMore } from "../../ui/LoadMore";
import { Panel } from "../../ui/Panel";
import { TableSkeleton } from "../../ui/Skeletons";
import { Loaded } from "../problems/Loaded";
import { DeleteIssuerDialog } from "./DeleteIssuerDialog";
import { IssuerItem } from "./IssuerItem";
import { RevokeSubjectDialog } from "./RevokeSubjectDialog";

type IssuerPanelProps = { account: Account; mayEdit: boolean };

/** example is a body that works once the role's id is filled in. */
const example = JSON.stringify({
  url: "https://token.actions.githubusercontent.com",
  audiences: ["nats"],
  rules: [
    {
      conditions: [{ claim: "repository_owner", match: "exact", value: "acme" }],
      role_id: "rol_…",
      name: "ci-{{repository}}",
    },
  ],
});
const commandFor = (account: string) =>
  `curl -X POST ${window.location.origin}/v1/accounts/${account}/oidc-issuers \\\n  -H "Authorization: Bearer $SIGNALBOX_TOKEN" \\\n  -H "Content-Type: application/json" -d '${example}'`;

const docs = "https://github.com/signalbox-io/signalbox/blob/main/docs/oidc.md";

/** IssuerPanel is whose tokens the account takes, and whom they stand for. */
export function IssuerPanel({ account, mayEdit }: IssuerPanelProps) {
  const issuers = useInfiniteQuery({ ...oidcIssuersOf(account.id), refetchInterval: 15_000 });
  const roles = useInfiniteQuery(rolesOf(account.id));
  const [revoking, setRevoking] = useState<OidcIssuer>();
  const [deleting, setDeleting] = useState<OidcIssuer>();
  const names =
    roles.data &&
    !roles.hasNextPage &&
    new Map(roles.data.pages.flatMap((page) => page.items.map((role) => [role.id, role.name])));
  const read = (
    <Anchor href={docs} target="_blank" rel="noreferrer" size="sm">
      How it works
    </Anchor>
  );
  const addButton = mayEdit && (
    <ButtonLink
      to="/accounts/$account/authentication/issuers/$issuer"
      params={{ account: account.id, issuer: "new" }}
      resetScroll={false}
      leftSection={<Plus size={16} />}
    >
      Add issuer
    </ButtonLink>
  );
  return (
    <>
      <Panel
        flush
        title="Token issuers (OpenID Connect)"
        description={<>Whose signed tokens let clients in, in place of creds, and whom each stands for. {read}</>}
        actions={addButton}
      >
        <Loaded query={issuers} what="the issuers" skeleton={<TableSkeleton rows={2} />}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.items);
            return rows.length === 0 ? (
              <EmptyState
                icon={<Fingerprint size={32} />}
                title="No token issuers"
                action={addButton}
                command={commandFor(account.id)}
              >
                Pipelines, pods and people often have a signed token already: of GitHub Actions, GitLab, Kubernetes,
                Keycloak. Trust its issuer, and there is no secret to hand out, and none to rotate.
              </EmptyState>
            ) : (
              <>
                {rows.map((issuer) => (
                  <IssuerItem
                    key={issuer.id}
                    issuer={issuer}
                    roles={names || undefined}
                    mayEdit={mayEdit}
                    onRevoke={() => setRevoking(issuer)}
                    onDelete={() => setDeleting(issuer)}
                  />
                ))}
                <LoadMore
                  hasMore={issuers.hasNextPage}
                  loading={issuers.isFetchingNextPage}
                  onMore={() => void issuers.fetchNextPage()}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <RevokeSubjectDialog issuer={revoking} onClose={() => setRevoking(undefined)} />
      <DeleteIssuerDialog issuer={deleting} onClose={() => setDeleting(undefined)} />
    </>
  );
}
