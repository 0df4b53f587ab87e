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

// roleColumns take @now: whether a credential is in use depends on it.
const roleColumns = `roles.id, roles.tenant_id, roles.account_id, roles.public_key, roles.private_user_id IS NOT NULL AS private, ` +
	`roles.name, roles.description, roles.template, ` +
	`roles.connections_per_user, roles.default_credential_lifetime, roles.max_credential_lifetime, (
			SELECT count(*)
			FROM credentials
			WHERE credentials.role_id = roles.id
			AND credentials.stale_since IS NOT NULL
			AND credentials.renewed_at > credentials.stale_since IS NOT TRUE
			AND credentials.revoked_at IS NULL
			AND (credentials.expires_at IS NULL OR credentials.expires_at > @now)
		) AS moved_credentials, roles.version, roles.created_at, roles.updated_at`

var roleFaults = map[string]*fault.Error{
	"roles_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another role in the account has this name"},
}

// insertRole inserts a role of that user's own, or without one a role for any.
func insertRole(ctx context.Context, tx pgx.Tx, account Account, id RoleID, of *UserID, key claims.AccountKey, sealed []byte, spec RoleSpec, now time.Time) (Role, error) {
	const query = `
		INSERT INTO roles (id, tenant_id, account_id, private_user_id, public_key, sealed_seed, name, description, template,
			connections_per_user, default_credential_lifetime, max_credential_lifetime, created_at, updated_at)
		VALUES (@id, @tenant, @account, @of, @key, @sealed, @name, @description, @template, @connections, @default, @max, @now, @now)
		RETURNING ` + roleColumns
	role, err := one[Role](ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "tenant": account.TenantID, "account": account.ID, "of": of, "key": key, "sealed": sealed,
		"name": spec.Name, "description": spec.Description, "template": spec.Template, "connections": spec.ConnectionsPerUser,
		"default": spec.DefaultCredentialLifetime, "max": spec.MaxCredentialLifetime, "now": now,
	})
	if err != nil {
		return Role{}, fmt.Errorf("insert a role: %w", postgres.Fault(err, roleFaults))
	}
	return role, nil
}

func roleByID(ctx context.Context, q querier, actor Actor, id RoleID, now time.Time) (Role, error) {
	const query = `
		SELECT ` + roleColumns + `
		FROM roles
		JOIN accounts ON accounts.id = roles.account_id
		WHERE roles.id = @id
		AND roles.tenant_id = ANY(@tenants)
		AND roles.console IS NULL
		AND roles.deleted_at IS NULL
		AND accounts.deleted_at IS NULL`
	role, err := one[Role](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants(), "now": now})
	return role, found(err, "role", string(id))
}

// privateRole is the one that holds the user's own permissions, or held them
// while it still has credentials under it.
func privateRole(ctx context.Context, tx pgx.Tx, account Account, user UserID, now time.Time) (Role, error) {
	const query = `
		SELECT ` + roleColumns + `
		FROM roles
		WHERE roles.tenant_id = @tenant
		AND roles.private_user_id = @user
		AND roles.deleted_at IS NULL`
	return one[Role](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "user": user, "now": now})
}

// roleKey is the key of a role that may have been deleted.
func roleKey(ctx context.Context, q querier, account Account, id RoleID) (claims.AccountKey, error) {
	const query = `
		SELECT public_key
		FROM roles
		WHERE id = @id
		AND tenant_id = @tenant
		AND account_id = @account`
	return value[claims.AccountKey](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenant": account.TenantID, "account": account.ID})
}

// rolesByAccount lists an account's roles for any number of users; the caller
// may see the account.
func rolesByAccount(ctx context.Context, q querier, account Account, k Keyset, now time.Time) ([]Role, error) {
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "now": now}
	query := `
		SELECT ` + roleColumns + `
		FROM roles
		WHERE roles.tenant_id = @tenant
		AND roles.account_id = @account
		AND roles.private_user_id IS NULL
		AND roles.console IS NULL
		AND roles.deleted_at IS NULL` + k.SQL("roles.id", "roles.name", args)
	return all[Role](ctx, q, query, args)
}

func countRoles(ctx context.Context, tx pgx.Tx, account Account) (int64, error) {
	const query = `
		SELECT count(*)
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND console IS NULL
		AND deleted_at IS NULL`
	return value[int64](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
}

func updateRole(ctx context.Context, tx pgx.Tx, role Role, spec RoleSpec, now time.Time) (Role, error) {
	const query = `
		UPDATE roles
		SET name = @name,
			description = @description,
			template = @template,
			connections_per_user = @connections,
			default_credential_lifetime = @default,
			max_credential_lifetime = @max,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + roleColumns
	role, err := one[Role](ctx, tx, query, pgx.StrictNamedArgs{
		"id": role.ID, "tenant": role.TenantID,
		"name": spec.Name, "description": spec.Description, "template": spec.Template, "connections": spec.ConnectionsPerUser,
		"default": spec.DefaultCredentialLifetime, "max": spec.MaxCredentialLifetime, "now": now,
	})
	return role, postgres.Fault(err, roleFaults)
}

func roleHasUsers(ctx context.Context, tx pgx.Tx, role Role) (bool, error) {
	const query = `
		SELECT EXISTS (
			SELECT
			FROM users
			WHERE role_id = @role
			AND tenant_id = @tenant
			AND deleted_at IS NULL
		)`
	return value[bool](ctx, tx, query, pgx.StrictNamedArgs{"role": role.ID, "tenant": role.TenantID})
}

// deleteRole keeps the row for the deleted users that refer to it.
func deleteRole(ctx context.Context, tx pgx.Tx, role Role, now time.Time) error {
	const query = `
		UPDATE roles
		SET deleted_at = @now,
			sealed_seed = '',
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": role.ID, "tenant": role.TenantID, "now": now})
	return err
}

// revokeCredentialsOfRole revokes what the role signed and is in use. They are
// of users who are in another role by now, which has not signed them since.
func revokeCredentialsOfRole(ctx context.Context, tx pgx.Tx, role Role, now time.Time) (int64, error) {
	const query = `
		UPDATE credentials
		SET revoked_at = greatest(@now, issued_at),
			revoke_reason = 'the role that signed it was deleted',
			updated_at = @now
		WHERE role_id = @role
		AND tenant_id = @tenant
		AND stale_since IS NOT NULL
		AND renewed_at > stale_since IS NOT TRUE
		AND revoked_at IS NULL
		AND (expires_at IS NULL OR expires_at > @now)`
	return exec(ctx, tx, query, pgx.StrictNamedArgs{"role": role.ID, "tenant": role.TenantID, "now": now})
}
