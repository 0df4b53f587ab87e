package tenants

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// oidcIssuerColumns have the revoked subjects of the issuer's URL, whichever of the account's issuers had it then.
const oidcIssuerColumns = `oidc_issuers.id, oidc_issuers.tenant_id, oidc_issuers.account_id, oidc_issuers.url, oidc_issuers.description, ` +
	`oidc_issuers.audiences, oidc_issuers.rules, oidc_issuers.keys, oidc_issuers.fetched_at, oidc_issuers.fetch_error, ` +
	`oidc_issuers.version, oidc_issuers.created_at, oidc_issuers.updated_at, ` +
	`COALESCE((SELECT subjects FROM oidc_revocations AS r WHERE r.account_id = oidc_issuers.account_id AND r.url = oidc_issuers.url), '[]') AS revoked`

var oidcIssuerFaults = map[string]*fault.Error{
	"oidc_issuers_url_key": {Kind: fault.Conflict, Pointer: "/url", Message: "the account has this issuer already"},
}

func insertOIDCIssuer(ctx context.Context, tx pgx.Tx, account Account, id OIDCIssuerID, spec OIDCIssuerSpec, keys json.RawMessage, again, now time.Time) (OIDCIssuer, error) {
	const query = `
		INSERT INTO oidc_issuers (id, tenant_id, account_id, url, description, audiences, rules, keys, fetched_at, tried_at, fetch_at, created_at, updated_at)
		VALUES (@id, @tenant, @account, @url, @description, @audiences, @rules, @keys, @now, @now, @again, @now, @now)
		RETURNING ` + oidcIssuerColumns
	issuer, err := one[OIDCIssuer](ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "tenant": account.TenantID, "account": account.ID, "url": spec.URL, "description": spec.Description,
		"audiences": spec.Audiences, "rules": spec.Rules, "keys": keys, "again": again, "now": now,
	})
	if err != nil {
		return OIDCIssuer{}, fmt.Errorf("insert an issuer: %w", postgres.Fault(err, oidcIssuerFaults))
	}
	return issuer, nil
}

func oidcIssuerByID(ctx context.Context, q querier, actor Actor, id OIDCIssuerID) (OIDCIssuer, error) {
	const query = `
		SELECT ` + oidcIssuerColumns + `
		FROM oidc_issuers
		JOIN accounts ON accounts.id = oidc_issuers.account_id
		WHERE oidc_issuers.id = @id
		AND oidc_issuers.tenant_id = ANY(@tenants)
		AND accounts.deleted_at IS NULL`
	issuer, err := one[OIDCIssuer](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return issuer, found(err, "issuer", string(id))
}

func oidcIssuersByAccount(ctx context.Context, q querier, account Account, k Keyset) ([]OIDCIssuer, error) {
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID}
	query := `
		SELECT ` + oidcIssuerColumns + `
		FROM oidc_issuers
		WHERE oidc_issuers.tenant_id = @tenant
		AND oidc_issuers.account_id = @account` + k.SQL("oidc_issuers.id", "oidc_issuers.url", args)
	return all[OIDCIssuer](ctx, q, query, args)
}

func oidcIssuersToSign(ctx context.Context, q querier, account Account) ([]OIDCIssuer, error) {
	const query = `
		SELECT ` + oidcIssuerColumns + `
		FROM oidc_issuers
		WHERE tenant_id = @tenant
		AND account_id = @account
		ORDER BY id`
	list, err := all[OIDCIssuer](ctx, q, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
	if err != nil {
		return nil, fmt.Errorf("read the issuers of account %s: %w", account.ID, err)
	}
	return list, nil
}

// trusted is what the account's trust page has to say of its issuers.
func trusted(ctx context.Context, q querier, account Account, issuers []OIDCIssuer) (list []claims.TrustedIssuer, err error) {
	if len(issuers) == 0 {
		return nil, nil
	}
	roles, err := rolesForKeys(ctx, q, account)
	for _, i := range issuers {
		if t, ok := i.trusted(roles); ok {
			list = append(list, t)
		}
	}
	return list, err
}

func updateOIDCIssuer(ctx context.Context, tx pgx.Tx, issuer OIDCIssuer, spec OIDCIssuerSpec, keys json.RawMessage, now time.Time) (OIDCIssuer, error) {
	const query = `
		UPDATE oidc_issuers
		SET url = @url,
			description = @description,
			audiences = @audiences,
			rules = @rules,
			keys = @keys,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + oidcIssuerColumns
	updated, err := one[OIDCIssuer](ctx, tx, query, pgx.StrictNamedArgs{
		"id": issuer.ID, "tenant": issuer.TenantID, "url": spec.URL, "description": spec.Description,
		"audiences": spec.Audiences, "rules": spec.Rules, "keys": keys, "now": now,
	})
	return updated, postgres.Fault(err, oidcIssuerFaults)
}

func deleteOIDCIssuer(ctx context.Context, tx pgx.Tx, issuer OIDCIssuer) error {
	const query = `
		DELETE FROM oidc_issuers
		WHERE id = @id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": issuer.ID, "tenant": issuer.TenantID})
	return err
}

func updateRevokedSubjects(ctx context.Context, tx pgx.Tx, issuer OIDCIssuer, now time.Time) (OIDCIssuer, error) {
	const keep = `
		INSERT INTO oidc_revocations (tenant_id, account_id, url, subjects)
		VALUES (@tenant, @account, @url, @subjects)
		ON CONFLICT (account_id, url) DO UPDATE
		SET subjects = EXCLUDED.subjects`
	_, err := exec(ctx, tx, keep, pgx.StrictNamedArgs{"tenant": issuer.TenantID, "account": issuer.AccountID, "url": issuer.URL, "subjects": issuer.Revoked})
	if err != nil {
		return OIDCIssuer{}, fmt.Errorf("keep whose tokens are revoked: %w", err)
	}
	const query = `
		UPDATE oidc_issuers
		SET version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + oidcIssuerColumns
	return one[OIDCIssuer](ctx, tx, query, pgx.StrictNamedArgs{"id": issuer.ID, "tenant": issuer.TenantID, "now": now})
}

// dueOIDCIssuer takes an issuer whose keys are to be read, of the account if it says
// one, and of none of the busy tenants, and leaves it to the caller for so long. The
// account is a subquery of its own: joined, all accounts are read when there is hardly an issuer.
// [pgx.ErrNoRows]: none is due.
func dueOIDCIssuer(ctx context.Context, q querier, account AccountID, busy []TenantID, now, until time.Time) (OIDCIssuer, error) {
	const query = `
		UPDATE oidc_issuers
		SET fetch_at = @until,
			tried_at = @now
		WHERE id = (
			SELECT id
			FROM oidc_issuers AS due
			WHERE fetch_at <= @now
			AND (@account = '' OR account_id = @account)
			AND tenant_id <> ALL(@busy)
			AND (
				SELECT deleted_at IS NULL
				FROM accounts
				WHERE accounts.id = due.account_id
			)
			ORDER BY fetch_at
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)
		RETURNING ` + oidcIssuerColumns
	return one[OIDCIssuer](ctx, q, query, pgx.StrictNamedArgs{"account": account, "busy": notNull(busy), "now": now, "until": until})
}

// hurryOIDCIssuers has the account's issuers' keys read soon, unless they were a moment ago.
func hurryOIDCIssuers(ctx context.Context, q querier, keys []claims.AccountKey, triedBefore, now time.Time) error {
	const query = `
		UPDATE oidc_issuers
		SET fetch_at = @now
		FROM accounts
		WHERE accounts.id = oidc_issuers.account_id
		AND accounts.tenant_id = oidc_issuers.tenant_id
		AND accounts.public_key = ANY(@keys)
		AND oidc_issuers.tried_at <= @before
		AND oidc_issuers.fetch_at > @now`
	_, err := exec(ctx, q, query, pgx.StrictNamedArgs{"keys": keys, "before": triedBefore, "now": now})
	return err
}

// keepOIDCKeys and keepOIDCFailure keep nothing of an issuer that is at another URL by now.
func keepOIDCKeys(ctx context.Context, tx pgx.Tx, issuer OIDCIssuer, keys json.RawMessage, again, now time.Time) error {
	const query = `
		UPDATE oidc_issuers
		SET keys = @keys,
			fetched_at = @now,
			fetch_error = '',
			fetch_at = @again
		WHERE id = @id
		AND tenant_id = @tenant
		AND url = @url`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": issuer.ID, "tenant": issuer.TenantID, "url": issuer.URL, "keys": keys, "again": again, "now": now})
	return err
}

func keepOIDCFailure(ctx context.Context, tx pgx.Tx, issuer OIDCIssuer, failure string, again time.Time) error {
	const query = `
		UPDATE oidc_issuers
		SET fetch_error = @failure,
			fetch_at = @again
		WHERE id = @id
		AND tenant_id = @tenant
		AND url = @url`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": issuer.ID, "tenant": issuer.TenantID, "url": issuer.URL, "failure": failure, "again": again})
	return err
}

func countOIDCIssuers(ctx context.Context, tx pgx.Tx, account Account) (int64, error) {
	const query = `
		SELECT count(*)
		FROM oidc_issuers
		WHERE tenant_id = @tenant
		AND account_id = @account`
	return value[int64](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
}
