import type { Account, AccountUpdate } from "./accounts";
import { answer, client } from "./client";
import type { OidcIssuer, OidcIssuerUpdate, OidcRevoke } from "./oidcIssuers";
import type { Role, RoleUpdate } from "./roles";
import type { components } from "./schema.gen";
import type { Tenant } from "./tenants";
import type { User, UserUpdate } from "./users";

export type DryRun = components["schemas"]["DryRun"];

// Each is the call that makes the change, with nothing changed; what would be refused is refused.
const query = { dry_run: true };

export function dryRunAccount(account: Account, body: AccountUpdate): Promise<DryRun> {
  return answer(
    client.PATCH("/v1/accounts/{account}", {
      params: { path: { account: account.id }, query, header: { "If-Match": account.etag } },
      body,
    }),
  ) as Promise<unknown> as Promise<DryRun>;
}

export function dryRunRole(role: Role, body: RoleUpdate): Promise<DryRun> {
  return answer(
    client.PATCH("/v1/roles/{role}", {
      params: { path: { role: role.id }, query, header: { "If-Match": role.etag } },
      body,
    }),
  ) as Promise<unknown> as Promise<DryRun>;
}

export function dryRunTenantPlan(tenant: Tenant, plan: string): Promise<DryRun> {
  return answer(
    client.PUT("/v1/tenants/{tenant}/plan", {
      params: { path: { tenant: tenant.id }, query, header: { "If-Match": tenant.etag } },
      body: { plan_id: plan },
    }),
  ) as Promise<unknown> as Promise<DryRun>;
}

export function dryRunUser(user: User, body: UserUpdate): Promise<DryRun> {
  return answer(
    client.PATCH("/v1/users/{user}", {
      params: { path: { user: user.id }, query, header: { "If-Match": user.etag } },
      body,
    }),
  ) as Promise<unknown> as Promise<DryRun>;
}

export function dryRunSuspension({ id }: Account): Promise<DryRun> {
  return answer(
    client.POST("/v1/accounts/{account}/suspend", { params: { path: { account: id }, query }, body: { reason: "" } }),
  ) as Promise<unknown> as Promise<DryRun>;
}

export function dryRunDeletion(account: Account): Promise<DryRun> {
  return answer(
    client.DELETE("/v1/accounts/{account}", {
      params: { path: { account: account.id }, query, header: { "If-Match": account.etag } },
    }),
  ) as Promise<unknown> as Promise<DryRun>;
}

export function dryRunOidcIssuer(issuer: OidcIssuer, body: OidcIssuerUpdate): Promise<DryRun> {
  return answer(
    client.PATCH("/v1/oidc-issuers/{oidc_issuer}", {
      params: { path: { oidc_issuer: issuer.id }, query, header: { "If-Match": issuer.etag } },
      body,
    }),
  ) as Promise<unknown> as Promise<DryRun>;
}

export function dryRunOidcIssuerDeletion({ id }: OidcIssuer): Promise<DryRun> {
  return answer(
    client.DELETE("/v1/oidc-issuers/{oidc_issuer}", { params: { path: { oidc_issuer: id }, query } }),
  ) as Promise<unknown> as Promise<DryRun>;
}

export function dryRunOidcRevocation({ id }: OidcIssuer, body: OidcRevoke): Promise<DryRun> {
  return answer(
    client.POST("/v1/oidc-issuers/{oidc_issuer}/revoke", { params: { path: { oidc_issuer: id }, query }, body }),
  ) as Promise<unknown> as Promise<DryRun>;
}
