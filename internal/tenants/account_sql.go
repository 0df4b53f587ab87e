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
	`accounts.limits, accounts.deleting_at, accounts.purge_at, accounts.revision, accounts.version, accounts.created_at, accounts.updated_at`

var accountFaults = map[string]*fault.Error{
	"accounts_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another account has this name"},
}

// insertAccount puts the account under the default operator, without a JWT: the
// same transaction has to announce it.
func insertAccount(ctx context.Context, tx pgx.Tx, tenant TenantID, id AccountID, key claims.AccountKey, sealed []byte, spec AccountSpec, now time.Time) (Account, error) {
	const query = `
		INSERT INTO accounts (id, tenant_id, operator_id, public_key, sealed_seed, name, description, limits, jwt, revision, created_at, updated_at)
		SELECT @id, @tenant, operators.id, @key, @sealed, @name, @description, @limits, '', 0, @now, @now
		FROM operators
		WHERE is_default
		RETURNING ` + accountColumns
	account, err := one[Account](ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "tenant": tenant, "key": key, "sealed": sealed,
		"name": spec.Name, "description": spec.Description, "limits": spec.Limits, "now": now,
	})
	if err != nil {
		return Account{}, fmt.Errorf("insert an account under the default operator: %w", postgres.Fault(err, accountFaults))
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
			limits = @limits,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + accountColumns
	account, err := one[Account](ctx, tx, query, pgx.StrictNamedArgs{
		"id": account.ID, "tenant": account.TenantID,
		"name": spec.Name, "description": spec.Description, "limits": spec.Limits, "now": now,
	})
	return account, postgres.Fault(err, accountFaults)
}

func updateAccountJWT(ctx context.Context, tx pgx.Tx, account Account, token string, revision feed.Revision) error {
	const query = `
		UPDATE accounts
		SET jwt = @jwt,
			revision = @revision
		WHERE id = @id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": account.ID, "tenant": account.TenantID, "jwt": token, "revision": revision})
	if err != nil {
		return fmt.Errorf("keep the JWT of account %s: %w", account.ID, err)
	}
	return nil
}

func rolesToSign(ctx context.Context, tx pgx.Tx, account Account) ([]claims.Role, error) {
	const query = `
		SELECT public_key AS key, name, description, template
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND deleted_at IS NULL`
	roles, err := all[claims.Role](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
	if err != nil {
		return nil, fmt.Errorf("read the roles of account %s: %w", account.ID, err)
	}
	return roles, nil
}
