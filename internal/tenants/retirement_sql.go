package tenants

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// accountStatus is [Account.Status].
const accountStatus = `CASE WHEN accounts.deleting_at IS NOT NULL THEN 'deleting' WHEN accounts.suspended_at IS NOT NULL THEN 'suspended' ELSE 'active' END`

// lockAccountRow is lockAccount for who changes what becomes of the account, of
// which it may be that it is being deleted.
func lockAccountRow(ctx context.Context, tx pgx.Tx, actor Actor, id AccountID, least MemberRole) (Account, error) {
	const query = selectAccount + `
		AND accounts.id = @id
		FOR NO KEY UPDATE`
	account, err := one[Account](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	if err != nil {
		return Account{}, found(err, "account", string(id))
	}
	return account, actor.Require(account.TenantID, least)
}

func updateRetirement(ctx context.Context, tx pgx.Tx, account Account, now time.Time) (Account, error) {
	const query = `
		UPDATE accounts
		SET deleting_at = @deleting,
			purge_at = @purge,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + accountColumns
	return one[Account](ctx, tx, query, pgx.StrictNamedArgs{
		"id": account.ID, "tenant": account.TenantID, "deleting": account.DeletingAt, "purge": account.PurgeAt, "now": now,
	})
}

// databaseTime is by what undo windows are measured: replicas' clocks may differ,
// and one that is ahead must not purge what could still be restored.
func databaseTime(ctx context.Context, tx pgx.Tx) (time.Time, error) {
	now, err := value[time.Time](ctx, tx, `SELECT now()`, nil)
	return now.UTC(), err
}

func accountsToPurge(ctx context.Context, q querier, limit int) ([]AccountID, error) {
	const query = `
		SELECT id
		FROM accounts
		WHERE purge_at <= now()
		AND deleted_at IS NULL
		ORDER BY purge_at
		LIMIT @limit`
	rows, _ := q.Query(ctx, query, pgx.StrictNamedArgs{"limit": limit})
	return pgx.CollectRows(rows, pgx.RowTo[AccountID])
}

// lockAccountToPurge finds none when somebody else has its lock.
func lockAccountToPurge(ctx context.Context, tx pgx.Tx, id AccountID) (Account, error) {
	const query = `
		SELECT ` + accountColumns + `
		FROM accounts
		WHERE id = @id
		AND purge_at <= now()
		AND deleted_at IS NULL
		FOR NO KEY UPDATE SKIP LOCKED`
	return one[Account](ctx, tx, query, pgx.StrictNamedArgs{"id": id})
}

// buryAccount hides the account and all that is in it, and forgets its seeds.
func buryAccount(ctx context.Context, tx pgx.Tx, account Account, now time.Time) error {
	args := pgx.StrictNamedArgs{"id": account.ID, "tenant": account.TenantID, "now": now}
	_, err := exec(ctx, tx, `
		UPDATE accounts
		SET deleted_at = @now,
			sealed_seed = '',
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant`, args)
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, `
		UPDATE roles
		SET sealed_seed = '',
			updated_at = @now
		WHERE account_id = @id
		AND tenant_id = @tenant`, args)
	return err
}

func retirementByID(ctx context.Context, tx pgx.Tx, actor Actor, id AccountID) (Retirement, error) {
	const where = `
		WHERE accounts.id = @id
		AND accounts.tenant_id = ANY(@tenants)`
	args := pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()}
	account, err := one[Account](ctx, tx, `SELECT `+accountColumns+` FROM accounts`+where, args)
	if err != nil {
		return Retirement{}, found(err, "account", string(id))
	}
	ends, err := one[struct{ DeletedAt, PurgedAt *time.Time }](ctx, tx, `SELECT deleted_at, purged_at FROM accounts`+where, args)
	return Retirement{Account: account, DeletedAt: ends.DeletedAt, PurgedAt: ends.PurgedAt}, err
}

// accountDisk is what a broker has said of one account.
type accountDisk struct {
	BrokerKey claims.UserKey
	HeardAt   *time.Time
	Verified  bool
	Bytes     int64
	Error     string
}

// disksOf tells of the account as it is at its revision, by broker.
func disksOf(ctx context.Context, tx pgx.Tx, account Account) (map[claims.UserKey]accountDisk, error) {
	const query = `
		SELECT disks.broker_key, disks.heard_at,
			disks.verified >= @revision AND coalesce(erasures.gone, true) AS verified,
			coalesce(erasures.bytes, 0) AS bytes, coalesce(erasures.error, '') AS error
		FROM disks
		LEFT JOIN erasures ON erasures.operator_id = disks.operator_id
			AND erasures.broker_key = disks.broker_key
			AND erasures.account_key = @account
		WHERE disks.operator_id = @operator`
	list, err := all[accountDisk](ctx, tx, query, pgx.StrictNamedArgs{
		"operator": account.OperatorID, "account": account.PublicKey, "revision": account.Revision,
	})
	disks := make(map[claims.UserKey]accountDisk, len(list))
	for _, d := range list {
		disks[d.BrokerKey] = d
	}
	return disks, err
}

func upsertDisk(ctx context.Context, tx pgx.Tx, operator OperatorID, r DiskReport, now time.Time) error {
	const query = `
		INSERT INTO disks (operator_id, broker_key, verified, heard_at)
		SELECT operator_id, public_key, @verified, @now
		FROM brokers
		WHERE operator_id = @operator
		AND public_key = @broker
		ON CONFLICT (operator_id, broker_key) DO UPDATE
		SET verified = EXCLUDED.verified,
			heard_at = EXCLUDED.heard_at`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"operator": operator, "broker": r.Broker, "verified": r.Verified, "now": now})
	return err
}

// upsertErasures keeps what the broker found of accounts that are deleted, and
// returns those. What it found once and does not name any more is gone. It looks
// accounts up one by one, for [upsertSightings]'s reason.
func upsertErasures(ctx context.Context, tx pgx.Tx, operator OperatorID, r DiskReport, now time.Time) ([]claims.AccountKey, error) {
	keys, gone, sizes, errs := []claims.AccountKey{}, []bool{}, []int64{}, []string{}
	for _, f := range r.Found {
		keys, gone, sizes, errs = append(keys, f.Account), append(gone, f.Gone), append(sizes, f.Bytes), append(errs, f.Error)
	}
	args := pgx.StrictNamedArgs{"operator": operator, "broker": r.Broker, "keys": keys, "gone": gone, "bytes": sizes, "errors": errs, "now": now}
	const query = `
		INSERT INTO erasures (operator_id, account_key, broker_key, gone, bytes, error, updated_at)
		SELECT brokers.operator_id, found.account, brokers.public_key, found.gone, found.bytes, found.error, @now
		FROM unnest(@keys::text[], @gone::boolean[], @bytes::bigint[], @errors::text[]) AS found (account, gone, bytes, error)
		JOIN brokers ON brokers.operator_id = @operator AND brokers.public_key = @broker
		CROSS JOIN LATERAL (
			SELECT
			FROM accounts
			WHERE public_key = found.account
			AND operator_id = @operator
			AND deleted_at IS NOT NULL
			LIMIT 1
		) AS deleted
		ON CONFLICT (operator_id, account_key, broker_key) DO UPDATE
		SET gone = EXCLUDED.gone,
			bytes = EXCLUDED.bytes,
			error = EXCLUDED.error,
			updated_at = EXCLUDED.updated_at
		RETURNING account_key`
	rows, _ := tx.Query(ctx, query, args)
	deleted, err := pgx.CollectRows(rows, pgx.RowTo[claims.AccountKey])
	if err != nil {
		return nil, err
	}
	_, err = exec(ctx, tx, `
		UPDATE erasures
		SET gone = true,
			error = '',
			updated_at = @now
		WHERE operator_id = @operator
		AND broker_key = @broker
		AND NOT gone
		AND account_key <> ALL(@keys)`,
		pgx.StrictNamedArgs{"operator": operator, "broker": r.Broker, "keys": keys, "now": now})
	return deleted, err
}

// finishPurges notes which deleted accounts every broker has confirmed to be gone.
func finishPurges(ctx context.Context, tx pgx.Tx, operator OperatorID, now time.Time) error {
	const query = `
		UPDATE accounts
		SET purged_at = @now,
			sealed_seed = ''
		WHERE operator_id = @operator
		AND deleted_at IS NOT NULL
		AND purged_at IS NULL
		AND NOT EXISTS (
			SELECT
			FROM brokers
			LEFT JOIN disks ON disks.operator_id = brokers.operator_id
				AND disks.broker_key = brokers.public_key
			LEFT JOIN erasures ON erasures.operator_id = brokers.operator_id
				AND erasures.broker_key = brokers.public_key
				AND erasures.account_key = accounts.public_key
			WHERE brokers.operator_id = accounts.operator_id
			AND (disks.verified IS NULL OR disks.verified < accounts.revision OR NOT coalesce(erasures.gone, true))
		)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"operator": operator, "now": now})
	return err
}
