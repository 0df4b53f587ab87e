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

const roleColumns = `roles.id, roles.tenant_id, roles.account_id, roles.public_key, roles.name, roles.description, ` +
	`roles.template, roles.version, roles.created_at, roles.updated_at`

var roleFaults = map[string]*fault.Error{
	"roles_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another role in the account has this name"},
}

func insertRole(ctx context.Context, tx pgx.Tx, account Account, id RoleID, key claims.AccountKey, sealed []byte, spec RoleSpec, now time.Time) (Role, error) {
	const query = `
		INSERT INTO roles (id, tenant_id, account_id, public_key, sealed_seed, name, description, template, created_at, updated_at)
		VALUES (@id, @tenant, @account, @key, @sealed, @name, @description, @template, @now, @now)
		RETURNING ` + roleColumns
	role, err := one[Role](ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "tenant": account.TenantID, "account": account.ID, "key": key, "sealed": sealed,
		"name": spec.Name, "description": spec.Description, "template": spec.Template, "now": now,
	})
	if err != nil {
		return Role{}, fmt.Errorf("insert a role: %w", postgres.Fault(err, roleFaults))
	}
	return role, nil
}

func roleByID(ctx context.Context, q querier, actor Actor, id RoleID) (Role, error) {
	const query = `
		SELECT ` + roleColumns + `
		FROM roles
		JOIN accounts ON accounts.id = roles.account_id
		WHERE roles.id = @id
		AND roles.tenant_id = ANY(@tenants)
		AND roles.deleted_at IS NULL
		AND accounts.deleted_at IS NULL`
	role, err := one[Role](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return role, found(err, "role", string(id))
}

// rolesByAccount lists an account's roles; the caller may see the account.
func rolesByAccount(ctx context.Context, q querier, account Account, k Keyset) ([]Role, error) {
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID}
	query := `
		SELECT ` + roleColumns + `
		FROM roles
		WHERE roles.tenant_id = @tenant
		AND roles.account_id = @account
		AND roles.deleted_at IS NULL` + k.SQL("roles.id", "roles.name", args)
	return all[Role](ctx, q, query, args)
}

func countRoles(ctx context.Context, tx pgx.Tx, account Account) (int64, error) {
	const query = `
		SELECT count(*)
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND deleted_at IS NULL`
	return value[int64](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
}

func updateRole(ctx context.Context, tx pgx.Tx, role Role, spec RoleSpec, now time.Time) (Role, error) {
	const query = `
		UPDATE roles
		SET name = @name,
			description = @description,
			template = @template,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + roleColumns
	role, err := one[Role](ctx, tx, query, pgx.StrictNamedArgs{
		"id": role.ID, "tenant": role.TenantID,
		"name": spec.Name, "description": spec.Description, "template": spec.Template, "now": now,
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
