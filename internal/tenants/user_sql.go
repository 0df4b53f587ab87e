package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// selectUser takes @now: whether a credential is active depends on it.
const selectUser = `
	SELECT users.id, users.tenant_id, users.account_id, users.role_id, roles.name AS role_name,
		CASE WHEN roles.private_user_id IS NOT NULL THEN roles.template END AS own,
		users.name, users.tags, users.connections, users.connection_types, active.credentials AS active_credentials, active.logins AS active_device_logins, active.moved AS moved_credentials,
		users.version, users.created_at, users.updated_at
	FROM users
	JOIN roles ON roles.id = users.role_id
	JOIN accounts ON accounts.id = users.account_id
	CROSS JOIN LATERAL (
		SELECT count(*) FILTER (WHERE kind = 'creds') AS credentials, count(*) FILTER (WHERE kind <> 'creds') AS logins,
			count(*) FILTER (WHERE kind = 'creds' AND stale_since IS NOT NULL AND renewed_at > stale_since IS NOT TRUE) AS moved
		FROM credentials
		WHERE credentials.user_id = users.id
		AND credentials.revoked_at IS NULL
		AND (credentials.expires_at IS NULL OR credentials.expires_at > @now)
	) AS active
	WHERE users.deleted_at IS NULL
	AND NOT users.console
	AND accounts.deleted_at IS NULL`

var userFaults = map[string]*fault.Error{
	"users_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another user in the account has this name"},
}

func insertUser(ctx context.Context, tx pgx.Tx, account Account, id UserID, spec UserSpec, now time.Time) error {
	const query = `
		INSERT INTO users (id, tenant_id, account_id, role_id, name, tags, connections, connection_types, created_at, updated_at)
		VALUES (@id, @tenant, @account, @role, @name, @tags, @connections, @types, @now, @now)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "tenant": account.TenantID, "account": account.ID, "role": spec.RoleID, "name": spec.Name,
		"tags": stored(spec.Tags), "connections": spec.Connections, "types": stored(spec.ConnectionTypes), "now": now,
	})
	if err != nil {
		return fmt.Errorf("insert a user: %w", postgres.Fault(err, userFaults))
	}
	return nil
}

func userByID(ctx context.Context, q querier, actor Actor, id UserID, now time.Time) (User, error) {
	const query = selectUser + `
		AND users.id = @id
		AND users.tenant_id = ANY(@tenants)`
	user, err := one[User](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants(), "now": now})
	return user, found(err, "user", string(id))
}

// usersByAccount lists an account's users; the caller may see the account.
func usersByAccount(ctx context.Context, q querier, account Account, k Keyset, now time.Time) ([]User, error) {
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "now": now}
	query := selectUser + `
		AND users.tenant_id = @tenant
		AND users.account_id = @account` + k.SQL("users.id", "users.name", args)
	return all[User](ctx, q, query, args)
}

// countUsers counts no further than the limit, unless that is -1.
func countUsers(ctx context.Context, tx pgx.Tx, account Account, limit int64) (int64, error) {
	if limit < 0 {
		return 0, nil
	}
	const query = `
		SELECT count(*)
		FROM (
			SELECT
			FROM users
			WHERE tenant_id = @tenant
			AND account_id = @account
			AND deleted_at IS NULL
			AND NOT console
			LIMIT @limit
		) AS counted`
	return value[int64](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "limit": limit})
}

// roleIDInAccount is the id if the account has that role; its default role's for an empty one.
func roleIDInAccount(ctx context.Context, tx pgx.Tx, account Account, id RoleID) (RoleID, error) {
	const query = `
		SELECT id
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND private_user_id IS NULL
		AND console IS NULL
		AND deleted_at IS NULL
		AND (id = @id OR @id = '' AND name = @default)`
	return value[RoleID](ctx, tx, query, pgx.StrictNamedArgs{
		"tenant": account.TenantID, "account": account.ID, "id": id, "default": DefaultRole,
	})
}

// lockUser waits for credentials that are being issued to the user, and makes
// later ones wait. It answers the user's version.
func lockUser(ctx context.Context, tx pgx.Tx, account Account, id UserID) (int64, error) {
	const query = `
		SELECT version
		FROM users
		WHERE id = @id
		AND tenant_id = @tenant
		AND deleted_at IS NULL
		AND NOT console
		FOR UPDATE`
	version, err := value[int64](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenant": account.TenantID})
	return version, found(err, "user", string(id))
}

func updateUser(ctx context.Context, tx pgx.Tx, user User, spec UserSpec, now time.Time) error {
	const query = `
		UPDATE users
		SET role_id = @role,
			tags = @tags,
			connections = @connections,
			connection_types = @types,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": user.ID, "tenant": user.TenantID, "role": spec.RoleID, "tags": stored(spec.Tags), "connections": spec.Connections, "types": stored(spec.ConnectionTypes), "now": now,
	})
	return err
}

// stored is a list as a column that is not null takes it.
func stored[T any](list []T) []T { return append([]T{}, list...) }

// markMoved notes which of the user's credentials say something else than the
// user is now. One that was renewed has JWTs of several times, so it stays moved.
func markMoved(ctx context.Context, tx pgx.Tx, user User, spec UserSpec, now time.Time) error {
	const query = `
		UPDATE credentials
		SET role_id = coalesce(role_id, @was),
			stale_since = CASE WHEN coalesce(role_id, @was) <> @role OR tags <> @tags OR stale_since IS NOT NULL AND renewals > 0 THEN greatest(@now, issued_at) END
		WHERE user_id = @user
		AND tenant_id = @tenant
		AND revoked_at IS NULL`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"user": user.ID, "tenant": user.TenantID, "was": user.RoleID, "role": spec.RoleID, "tags": stored(spec.Tags), "now": now,
	})
	return err
}

// deleteUser says whether the user had a number or types of connections of its own.
func deleteUser(ctx context.Context, tx pgx.Tx, account Account, id UserID, now time.Time) (capped bool, err error) {
	const query = `
		UPDATE users
		SET deleted_at = @now,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING connections IS NOT NULL OR connection_types <> '{}'`
	return value[bool](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenant": account.TenantID, "now": now})
}

func userNames(ctx context.Context, q querier, account Account, keys []claims.UserKey) (map[claims.UserKey]string, error) {
	const query = `
		SELECT credentials.public_key, users.name
		FROM credentials
		JOIN users ON users.id = credentials.user_id
		WHERE credentials.tenant_id = @tenant
		AND credentials.account_id = @account
		AND credentials.public_key = ANY(@keys)`
	type named struct {
		PublicKey claims.UserKey
		Name      string
	}
	rows, err := all[named](ctx, q, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "keys": keys})
	names := make(map[claims.UserKey]string, len(rows))
	for _, r := range rows {
		names[r.PublicKey] = r.Name
	}
	return names, err
}
