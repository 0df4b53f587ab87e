package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const deviceLoginColumns = credentialColumns + `, credentials.kind, credentials.login_username, credentials.match_kind, credentials.match_value, (
			SELECT accounts.public_key
			FROM accounts
			WHERE accounts.id = credentials.account_id
		) AS account_key`

var deviceLoginFaults = map[string]*fault.Error{
	"credentials_public_key_key": {Kind: fault.Conflict, Pointer: "/public_key", Message: "the account has a credential or a login with this key already, perhaps a revoked one; make a new key pair"},
}

// insertDeviceLogin inserts it into the open page, which must have it already.
// The caller holds the account's lock, so the user is what it was read as.
func insertDeviceLogin(ctx context.Context, tx pgx.Tx, actor Actor, account Account, user UserID, u signable, p DeviceLoginSpec, r loginRecord, now time.Time) error {
	const query = `
		INSERT INTO credentials (id, tenant_id, account_id, user_id, role_id, tags, name, public_key, issued_by, issued_at, expires_at, expiring_at, event_at,
			kind, login_digest, login_username, match_kind, match_value, login_page, created_at, updated_at)
		VALUES (@id, @tenant, @account, @user, @role, @tags, @name, @key, @actor, @now, @expires, @expiring, @expiring,
			@kind, @digest, @username, @match_kind, @match_value, @page, @now, @now)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": r.ID, "tenant": account.TenantID, "account": account.ID, "user": user, "role": u.RoleID, "tags": stored(u.Tags), "name": p.Description, "key": r.User,
		"actor": actor.ID, "now": now, "expires": p.ExpiresAt, "expiring": expiringFrom(now, p.ExpiresAt),
		"kind": p.Kind, "digest": r.Digest[:], "username": r.Username, "match_kind": p.Match.Field, "match_value": p.Match.Value, "page": r.Page,
	})
	if err != nil {
		return fmt.Errorf("insert a device login: %w", postgres.Fault(err, deviceLoginFaults))
	}
	return nil
}

func deviceLoginByID(ctx context.Context, q querier, actor Actor, id CredentialID) (DeviceLogin, error) {
	const query = `
		SELECT ` + deviceLoginColumns + `
		FROM credentials
		WHERE id = @id
		AND kind <> 'creds'
		AND tenant_id = ANY(@tenants)
		AND EXISTS (
			SELECT
			FROM users
			JOIN accounts ON accounts.id = users.account_id
			WHERE users.id = credentials.user_id
			AND users.deleted_at IS NULL
			AND accounts.deleted_at IS NULL
		)`
	login, err := one[DeviceLogin](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return login, found(err, "device login", string(id))
}

// deviceLoginsByUser lists a user's device logins; the caller may see the user.
func deviceLoginsByUser(ctx context.Context, q querier, user User, k Keyset) ([]DeviceLogin, error) {
	args := pgx.StrictNamedArgs{"tenant": user.TenantID, "user": user.ID}
	query := `
		SELECT ` + deviceLoginColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND user_id = @user
		AND kind <> 'creds'` + k.SQL("id", "", args)
	return all[DeviceLogin](ctx, q, query, args)
}

// deviceLoginsByAccount lists those of an account's users; the caller may see the account.
func deviceLoginsByAccount(ctx context.Context, q querier, account Account, f DeviceLoginFilter, k Keyset, now time.Time) ([]DeviceLogin, error) {
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID}
	query := `
		SELECT ` + deviceLoginColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND kind <> 'creds'
		AND EXISTS (
			SELECT
			FROM users
			WHERE users.id = credentials.user_id
			AND users.deleted_at IS NULL
		)`
	if f.Kind != "" {
		args["kind"] = f.Kind
		query += `
		AND kind = @kind`
	}
	// A login has no name of its own: it is looked for in all that people know it by.
	if k.pattern != "" {
		args["pattern"] = k.pattern
		k.pattern = ""
		query += `
		AND (name ILIKE @pattern OR login_username ILIKE @pattern OR match_value ILIKE @pattern OR public_key ILIKE @pattern OR EXISTS (
			SELECT
			FROM users
			WHERE users.id = credentials.user_id
			AND users.name ILIKE @pattern
		))`
	}
	query += f.sql(args, now) + k.SQL("id", "coalesce(expires_at, 'infinity')", args)
	return all[DeviceLogin](ctx, q, query, args)
}
