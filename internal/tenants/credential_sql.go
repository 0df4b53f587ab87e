package tenants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const (
	storedCredentialColumns = `credentials.id, credentials.tenant_id, credentials.account_id, credentials.user_id, coalesce(credentials.role_id, '') AS role_id, ` +
		`credentials.tags, credentials.stale_since, credentials.name, credentials.public_key, ` +
		`credentials.issued_by, credentials.issued_at, credentials.expires_at, credentials.expiring_at, credentials.renewals, credentials.renewed_at, ` +
		`credentials.revoked_at, credentials.revoke_reason, credentials.created_at, credentials.updated_at`

	credentialColumns = storedCredentialColumns + `, (
			SELECT users.name
			FROM users
			WHERE users.id = credentials.user_id
		) AS user_name, (
			SELECT jsonb_build_object('at', seen_at, 'address', address, 'connection_type', connection_type, 'client', client, 'broker', broker)
			FROM credential_sightings
			WHERE credential_sightings.credential_id = credentials.id
		) AS last_seen`
)

var credentialFaults = map[string]*fault.Error{
	"credentials_public_key_key": {Kind: fault.Conflict, Pointer: "/public_key", Message: "the account has a credential with this key already, perhaps a revoked one; make a new key pair"},
}

const (
	signableColumns = `users.tenant_id, users.name, accounts.id AS account_id, ` +
		`coalesce(accounts.settings #> '{auth_callout,auth_users}' ? users.id, false) AS spared, accounts.name AS account_name, accounts.public_key AS account_key, ` +
		`accounts.deleting_at, accounts.suspended_at, coalesce((accounts.limits ->> 'bearer')::boolean, true) AS account_bearer, ` +
		`coalesce(accounts.effective_limits, accounts.limits) AS effective_limits, accounts.effective_connection_types AS allowed_types, ` +
		`users.role_id, users.tags, users.connection_types AS user_types, roles.name AS role_name, roles.public_key AS role_key, roles.sealed_seed, ` +
		`roles.default_credential_lifetime AS role_default, roles.max_credential_lifetime AS role_maximum, ` +
		`coalesce((roles.template ->> 'bearer')::boolean, false) AS role_bearer, roles.template -> 'connection_types' AS role_types, ` +
		`plans.name AS plan_name, plans.default_credential_lifetime AS plan_default, plans.max_credential_lifetime AS plan_maximum`

	joinSignable = `
		JOIN accounts ON accounts.id = users.account_id
		JOIN roles ON roles.id = users.role_id
		JOIN tenants ON tenants.id = users.tenant_id
		JOIN plans ON plans.id = tenants.plan_id`
)

func userToSign(ctx context.Context, q querier, actor Actor, id UserID) (signable, error) {
	const query = `
		SELECT ` + signableColumns + `
		FROM users` + joinSignable + `
		WHERE users.id = @id
		AND users.tenant_id = ANY(@tenants)
		AND users.deleted_at IS NULL
		AND NOT users.console
		AND accounts.deleted_at IS NULL`
	u, err := one[signable](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return u, found(err, "user", string(id))
}

// errUserChanged says that what was signed is not what the user is by now.
var errUserChanged = errors.New("the user was moved or deleted while a credential was signed for it")

// insertCredential inserts and audits in one statement, if the user still
// exists and is what it was when it was signed for. It shares the user's row until the transaction ends: one who deletes
// the user waits, and then sees this credential; or was first, and then there is none.
func insertCredential(ctx context.Context, q querier, actor Actor, user UserID, u signable, id CredentialID, key claims.UserKey, p CredentialSpec, now time.Time) (Credential, error) {
	const query = `
		WITH existing AS (
			SELECT id, tenant_id, account_id, name
			FROM users
			WHERE id = @user
			AND tenant_id = ANY(@tenants)
			AND deleted_at IS NULL
			AND role_id = @role
			AND tags = @tags
			FOR SHARE
		), issued AS (
			INSERT INTO credentials (id, tenant_id, account_id, user_id, role_id, tags, name, public_key, issued_by, issued_at, expires_at, expiring_at, event_at, created_at, updated_at)
			SELECT @id, tenant_id, account_id, existing.id, @role, @tags, @name, @key, @actor, @now, @expires, @expiring, @expiring, @now, @now
			FROM existing
			RETURNING ` + storedCredentialColumns + `
		), audited AS (
			INSERT INTO audit_events (id, tenant_id, actor, action, target, created_at)
			SELECT @audit, tenant_id, @actor, 'issueCredential', id, @now
			FROM issued
		)
		SELECT ` + storedCredentialColumns + `, existing.name AS user_name, NULL::jsonb AS last_seen
		FROM issued AS credentials, existing`
	credential, err := one[Credential](ctx, q, query, pgx.StrictNamedArgs{
		"id": id, "user": user, "role": u.RoleID, "tags": u.Tags, "tenants": actor.Tenants(), "name": p.Name, "key": key, "expires": p.ExpiresAt, "expiring": expiringFrom(now, p.ExpiresAt),
		"now": now, "audit": NewID[AuditEventID]("aud"), "actor": actor.ID,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Credential{}, errUserChanged
	}
	if err != nil {
		return Credential{}, fmt.Errorf("insert a credential: %w", postgres.Fault(err, credentialFaults))
	}
	return credential, nil
}

func credentialByID(ctx context.Context, q querier, actor Actor, id CredentialID) (Credential, error) {
	const query = `
		SELECT ` + credentialColumns + `
		FROM credentials
		WHERE id = @id
		AND kind = 'creds'
		AND tenant_id = ANY(@tenants)
		AND EXISTS (
			SELECT
			FROM users
			JOIN accounts ON accounts.id = users.account_id
			WHERE users.id = credentials.user_id
			AND users.deleted_at IS NULL
			AND NOT users.console
			AND accounts.deleted_at IS NULL
		)`
	credential, err := one[Credential](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return credential, found(err, "credential", string(id))
}

// credentialsByUser lists a user's credentials; the caller may see the user.
func credentialsByUser(ctx context.Context, q querier, user User, k Keyset) ([]Credential, error) {
	args := pgx.StrictNamedArgs{"tenant": user.TenantID, "user": user.ID}
	query := `
		SELECT ` + credentialColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND user_id = @user
		AND kind = 'creds'` + k.SQL("id", "", args)
	return all[Credential](ctx, q, query, args)
}

// credentialsByAccount lists those of an account's users; the caller may see the account.
func credentialsByAccount(ctx context.Context, q querier, account Account, f CredentialFilter, k Keyset, now time.Time) ([]Credential, error) {
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID}
	query := `
		SELECT ` + credentialColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND kind = 'creds'
		AND EXISTS (
			SELECT
			FROM users
			WHERE users.id = credentials.user_id
			AND users.deleted_at IS NULL
			AND NOT users.console
		)` + f.sql(args, now) + k.SQL("id", "coalesce(expires_at, 'infinity')", args)
	return all[Credential](ctx, q, query, args)
}

// sql is the filter's conditions, to go after others. It spells the expiry as
// the index does.
func (f CredentialFilter) sql(args pgx.StrictNamedArgs, now time.Time) string {
	var conditions string
	switch f.Status {
	case CredentialRevoked:
		conditions = `
		AND revoked_at IS NOT NULL`
	case CredentialExpired:
		conditions = `
		AND revoked_at IS NULL
		AND coalesce(expires_at, 'infinity') <= @now`
	case CredentialExpiring:
		args["latest"] = now.Add(warnLongest)
		conditions = `
		AND revoked_at IS NULL
		AND coalesce(expires_at, 'infinity') > @now
		AND coalesce(expires_at, 'infinity') <= @latest
		AND expiring_at <= @now`
	case CredentialActive:
		conditions = `
		AND revoked_at IS NULL
		AND coalesce(expires_at, 'infinity') > @now
		AND (expiring_at IS NULL OR expiring_at > @now)`
	}
	if f.Status != "" && f.Status != CredentialRevoked {
		args["now"] = now
	}
	if f.ExpiresBefore != nil {
		args["expires_before"] = *f.ExpiresBefore
		conditions += `
		AND coalesce(expires_at, 'infinity') < @expires_before`
	}
	if f.User != "" {
		args["user"] = f.User
		conditions += `
		AND user_id = @user`
	}
	return conditions
}

// expiryKey is what a list by expiry is sorted by.
func expiryKey(c Credential) string {
	if c.ExpiresAt == nil {
		return never
	}
	return c.ExpiresAt.Format(time.RFC3339Nano)
}

func countExpiring(ctx context.Context, q querier, account Account, now time.Time) (int64, error) {
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID}
	query := `
		SELECT count(*)
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND kind = 'creds'` + CredentialFilter{Status: CredentialExpiring}.sql(args, now)
	return value[int64](ctx, q, query, args)
}

// revokeCredential never sets a time before the credential was issued, which a
// slow clock might: brokers would take the revocation for one of earlier JWTs.
func revokeCredential(ctx context.Context, tx pgx.Tx, credential Credential, reason string, now time.Time) (Credential, error) {
	const query = `
		UPDATE credentials
		SET revoked_at = greatest(@now, issued_at),
			revoke_reason = @reason,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + credentialColumns
	return one[Credential](ctx, tx, query, pgx.StrictNamedArgs{
		"id": credential.ID, "tenant": credential.TenantID, "reason": reason, "now": now,
	})
}

func revokeCredentialsOfUser(ctx context.Context, tx pgx.Tx, account Account, user UserID, reason string, now time.Time) (int64, error) {
	const query = `
		UPDATE credentials
		SET revoked_at = greatest(@now, issued_at),
			revoke_reason = @reason,
			updated_at = @now
		WHERE user_id = @user
		AND tenant_id = @tenant
		AND revoked_at IS NULL`
	return exec(ctx, tx, query, pgx.StrictNamedArgs{"user": user, "tenant": account.TenantID, "reason": reason, "now": now})
}
