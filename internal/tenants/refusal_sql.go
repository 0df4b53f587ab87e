package tenants

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// upsertRefusals adds reports that fit, and answers whose accounts they were
// about. Of those it touches, it takes the locks in one order. It looks accounts up
// one by one, for [upsertSightings]'s reason.
func upsertRefusals(ctx context.Context, tx pgx.Tx, operator OperatorID, broker claims.UserKey, reports []RefusalReport, now time.Time) ([]AccountID, error) {
	const query = `
		WITH reported AS (
			SELECT max(id) AS id, account, user_key, reason, connection_type, address, max(detail) AS detail,
				sum(count)::bigint AS count, min(first_at) AS first_at, max(last_at) AS last_at
			FROM unnest(@ids::text[], @accounts::text[], @users::text[], @reasons::text[], @types::text[], @addresses::text[],
				@details::text[], @counts::bigint[], @firsts::timestamptz[], @lasts::timestamptz[])
				AS r (id, account, user_key, reason, connection_type, address, detail, count, first_at, last_at)
			GROUP BY account, user_key, reason, connection_type, address
		), kept AS (
			INSERT INTO refused_logins (id, tenant_id, account_id, broker, user_public_key, reason, connection_type, address, detail, count, first_at, last_at)
			SELECT reported.id, about.tenant_id, about.id, brokers.name, reported.user_key, reported.reason,
				reported.connection_type, reported.address, reported.detail, reported.count, reported.first_at, reported.last_at
			FROM reported
			JOIN brokers ON brokers.operator_id = @operator AND brokers.public_key = @broker
			CROSS JOIN LATERAL (
				SELECT id, tenant_id
				FROM accounts
				WHERE public_key = reported.account
				AND operator_id = @operator
				AND deleted_at IS NULL
				LIMIT 1
			) AS about
			ORDER BY about.id, reported.user_key, reported.reason, reported.connection_type, reported.address
			ON CONFLICT ON CONSTRAINT refused_logins_key DO UPDATE
			SET id = EXCLUDED.id,
				detail = EXCLUDED.detail,
				count = refused_logins.count + EXCLUDED.count,
				last_at = GREATEST(refused_logins.last_at, EXCLUDED.last_at)
			RETURNING account_id
		)
		SELECT DISTINCT account_id
		FROM kept`
	args := pgx.StrictNamedArgs{"operator": operator, "broker": broker}
	args["ids"] = column(reports, func(RefusalReport) RefusalID { return NewID[RefusalID]("ref") })
	args["accounts"] = column(reports, func(r RefusalReport) claims.AccountKey { return r.AccountKey })
	args["users"] = column(reports, func(r RefusalReport) string { return r.UserKey })
	args["reasons"] = column(reports, func(r RefusalReport) string { return r.Reason })
	args["types"] = column(reports, func(r RefusalReport) string { return r.ConnectionType })
	args["addresses"] = column(reports, func(r RefusalReport) string { return r.Address })
	args["details"] = column(reports, func(r RefusalReport) string { return r.Detail })
	args["counts"] = column(reports, func(r RefusalReport) int64 { return r.Count })
	args["firsts"] = column(reports, func(r RefusalReport) time.Time { return now.Add(-r.FirstAgo) })
	args["lasts"] = column(reports, func(r RefusalReport) time.Time { return now.Add(-r.LastAgo) })
	rows, _ := tx.Query(ctx, query, args)
	return pgx.CollectRows(rows, pgx.RowTo[AccountID])
}

// pruneRefusals forgets the oldest of these accounts' beyond those that are kept,
// and everybody's that are too old. Rows that another report is about to change it
// leaves to that one, so that pruning never waits for it.
func pruneRefusals(ctx context.Context, tx pgx.Tx, accounts []AccountID, before time.Time) error {
	const query = `
		DELETE FROM refused_logins
		WHERE id IN (
			SELECT id
			FROM refused_logins
			WHERE last_at < @before
			OR id IN (
				SELECT excess.id
				FROM unnest(@accounts::text[]) AS touched (account_id)
				CROSS JOIN LATERAL (
					SELECT id
					FROM refused_logins
					WHERE account_id = touched.account_id
					ORDER BY id DESC
					OFFSET @kept
				) AS excess
			)
			FOR UPDATE SKIP LOCKED
		)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"before": before, "accounts": accounts, "kept": refusalsKept})
	return err
}

// refusedLoginsByAccount lists an account's; the caller may see the account.
func refusedLoginsByAccount(ctx context.Context, q querier, account Account, k Keyset, since time.Time) ([]RefusedLogin, error) {
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "since": since}
	query := `
		SELECT refused_logins.id, refused_logins.account_id, refused_logins.broker, refused_logins.user_public_key,
			CASE WHEN NOT users.console THEN users.id END AS user_id, users.name AS user_name,
			CASE WHEN credentials.kind = 'creds' AND NOT users.console THEN credentials.id END AS credential_id, credentials.name AS credential_name,
			CASE WHEN credentials.kind <> 'creds' THEN credentials.id END AS device_login_id,
			refused_logins.reason, refused_logins.connection_type, refused_logins.address, refused_logins.detail,
			refused_logins.count, refused_logins.first_at, refused_logins.last_at
		FROM refused_logins
		LEFT JOIN credentials ON credentials.account_id = refused_logins.account_id
			AND credentials.tenant_id = refused_logins.tenant_id
			AND credentials.public_key = refused_logins.user_public_key
		LEFT JOIN users ON users.id = credentials.user_id
			AND users.tenant_id = refused_logins.tenant_id
		WHERE refused_logins.tenant_id = @tenant
		AND refused_logins.account_id = @account
		AND refused_logins.last_at >= @since` + k.SQL("refused_logins.id", "", args)
	return all[RefusedLogin](ctx, q, query, args)
}
