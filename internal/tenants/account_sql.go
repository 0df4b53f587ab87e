package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const accountColumns = `accounts.id, accounts.tenant_id, accounts.operator_id, accounts.public_key, accounts.name, accounts.description, ` +
	`accounts.tags, accounts.limits, accounts.settings, ` +
	`COALESCE(accounts.effective_limits, accounts.limits) AS effective_limits, accounts.effective_connection_types, ` +
	`accounts.suspended_at, accounts.suspended_by, accounts.suspend_reason, ` +
	`accounts.deleting_at, accounts.purge_at, accounts.revision, accounts.version, accounts.created_at, accounts.updated_at`

var accountFaults = map[string]*fault.Error{
	"accounts_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another account has this name"},
}

// insertAccount puts the account under the operator, without a JWT: the same
// transaction has to announce it.
func insertAccount(ctx context.Context, tx pgx.Tx, tenant TenantID, operator OperatorID, id AccountID, key claims.AccountKey, sealed []byte, spec AccountSpec, now time.Time) (Account, error) {
	const query = `
		INSERT INTO accounts (id, tenant_id, operator_id, public_key, sealed_seed, name, description, tags, limits, settings, jwt, revision, created_at, updated_at)
		VALUES (@id, @tenant, @operator, @key, @sealed, @name, @description, @tags, @limits, @settings, '', 0, @now, @now)
		RETURNING ` + accountColumns
	account, err := one[Account](ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "tenant": tenant, "operator": operator, "key": key, "sealed": sealed,
		"name": spec.Name, "description": spec.Description, "tags": notNull(spec.Tags), "limits": spec.Limits, "settings": spec.Settings, "now": now,
	})
	if err != nil {
		return Account{}, fmt.Errorf("insert an account: %w", postgres.Fault(err, accountFaults))
	}
	return account, nil
}

const selectAccount = `
	SELECT ` + accountColumns + `
	FROM accounts
	WHERE accounts.tenant_id = ANY(@tenants)
	AND accounts.deleted_at IS NULL`

func accountByID(ctx context.Context, q querier, actor Actor, id AccountID) (Account, error) {
	const query = selectAccount + `
		AND accounts.id = @id`
	account, err := one[Account](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return account, found(err, "account", string(id))
}

// lockAccount is accountByID for an actor who is about to change it, or counts
// what is in it: until tx ends, nobody else does. Keys that refer to it are not held up.
// One that is being deleted is a Conflict.
func lockAccount(ctx context.Context, tx pgx.Tx, actor Actor, id AccountID, least MemberRole) (Account, error) {
	account, err := lockAccountRow(ctx, tx, actor, id, least)
	if err != nil {
		return Account{}, err
	}
	return account, account.live()
}

// lockAccountAnywhere is lockAccount for staff, who belong to no tenant.
func lockAccountAnywhere(ctx context.Context, tx pgx.Tx, id AccountID) (Account, error) {
	const query = `
		SELECT ` + accountColumns + `
		FROM accounts
		WHERE accounts.id = @id
		AND accounts.deleted_at IS NULL
		FOR NO KEY UPDATE`
	account, err := one[Account](ctx, tx, query, pgx.StrictNamedArgs{"id": id})
	return account, found(err, "account", string(id))
}

// lockAccountOf is lockAccount by the id of something in the account, which is
// to be read after it. The table's name goes into the query as it is.
func lockAccountOf(ctx context.Context, tx pgx.Tx, actor Actor, table, noun, id string, least MemberRole) (Account, error) {
	query := selectAccount + `
		AND accounts.id = (
			SELECT account_id
			FROM ` + table + `
			WHERE id = @id
		)
		FOR NO KEY UPDATE`
	account, err := one[Account](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	if err != nil {
		return Account{}, found(err, noun, id)
	}
	return account, actor.mayChange(account, least)
}

func accountsByTenant(ctx context.Context, q querier, actor Actor, tenant TenantID, k Keyset, only []AccountStatus) ([]Account, error) {
	args := pgx.StrictNamedArgs{"tenant": tenant, "tenants": actor.Tenants(), "only": only}
	query := selectAccount + `
		AND accounts.tenant_id = @tenant
		AND (coalesce(cardinality(@only::text[]), 0) = 0 OR ` + accountStatus + ` = ANY(@only))` + k.SQL("accounts.id", "accounts.name", args)
	return all[Account](ctx, q, query, args)
}

// lockNextAccounts are the tenant's next accounts after that one, oldest first.
func lockNextAccounts(ctx context.Context, tx pgx.Tx, tenant TenantID, after AccountID, limit int) ([]Account, error) {
	const query = `
		SELECT ` + accountColumns + `
		FROM accounts
		WHERE accounts.tenant_id = @tenant
		AND accounts.deleted_at IS NULL
		AND accounts.id > @after
		ORDER BY accounts.id
		LIMIT @limit
		FOR NO KEY UPDATE`
	return all[Account](ctx, tx, query, pgx.StrictNamedArgs{"tenant": tenant, "after": after, "limit": limit})
}

func countAccounts(ctx context.Context, tx pgx.Tx, tenant TenantID) (int64, error) {
	const query = `
		SELECT count(*)
		FROM accounts
		WHERE tenant_id = @tenant
		AND deleted_at IS NULL`
	return value[int64](ctx, tx, query, pgx.StrictNamedArgs{"tenant": tenant})
}

func updateAccount(ctx context.Context, tx pgx.Tx, account Account, spec AccountSpec, now time.Time) (Account, error) {
	const query = `
		UPDATE accounts
		SET name = @name,
			description = @description,
			tags = @tags,
			limits = @limits,
			settings = @settings,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + accountColumns
	account, err := one[Account](ctx, tx, query, pgx.StrictNamedArgs{
		"id": account.ID, "tenant": account.TenantID,
		"name": spec.Name, "description": spec.Description, "tags": notNull(spec.Tags), "limits": spec.Limits, "settings": spec.Settings, "now": now,
	})
	return account, postgres.Fault(err, accountFaults)
}

// suspendAccount also resumes it, with nil for since and by.
func suspendAccount(ctx context.Context, tx pgx.Tx, account Account, since *time.Time, by *Side, reason string, now time.Time) (Account, error) {
	const query = `
		UPDATE accounts
		SET suspended_at = @since,
			suspended_by = @by,
			suspend_reason = @reason,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + accountColumns
	return one[Account](ctx, tx, query, pgx.StrictNamedArgs{
		"id": account.ID, "tenant": account.TenantID, "since": since, "by": by, "reason": reason, "now": now,
	})
}

func updateAccountJWT(ctx context.Context, tx pgx.Tx, account Account, token string, revision feed.Revision) error {
	const query = `
		UPDATE accounts
		SET jwt = @jwt,
			effective_limits = @limits,
			effective_connection_types = @types,
			revision = @revision
		WHERE id = @id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": account.ID, "tenant": account.TenantID, "jwt": token, "revision": revision,
		"limits": account.EffectiveLimits, "types": account.EffectiveConnectionTypes,
	})
	if err != nil {
		return fmt.Errorf("keep the JWT of account %s: %w", account.ID, err)
	}
	return nil
}

// roleSpecs are what people chose about the account's roles, oldest first.
func roleSpecs(ctx context.Context, tx pgx.Tx, account Account) ([]RoleSpec, error) {
	const query = `
		SELECT name, description, template, connections_per_user, default_credential_lifetime, max_credential_lifetime
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND private_user_id IS NULL
		AND console IS NULL
		AND deleted_at IS NULL
		ORDER BY id`
	return all[RoleSpec](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
}

// rolesToSign are the account's roles, and the keys of those among them that
// are for people who are signed in.
func rolesToSign(ctx context.Context, tx pgx.Tx, account Account) (roles []claims.Role, console []claims.AccountKey, err error) {
	const query = `
		SELECT public_key AS key, name, description, template, console IS NOT NULL AS console
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND deleted_at IS NULL`
	type row struct {
		claims.Role
		Console bool
	}
	list, err := all[row](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
	if err != nil {
		return nil, nil, fmt.Errorf("read the roles of account %s: %w", account.ID, err)
	}
	for _, r := range list {
		roles = append(roles, r.Role)
		if r.Console {
			console = append(console, r.Key)
		}
	}
	return roles, console, nil
}
