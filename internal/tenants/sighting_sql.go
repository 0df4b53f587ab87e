package tenants

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// upsertSightings takes the locks in one order. LIMIT has Postgres look each account
// up by its key. Joined, accounts that it has no statistics of yet, such as thousands
// made a minute ago, are all read for each report: it believes few of them are the operator's.
func upsertSightings(ctx context.Context, q querier, operator OperatorID, broker claims.UserKey, reports []SightingReport, now time.Time) error {
	const query = `
		INSERT INTO credential_sightings (credential_id, tenant_id, seen_at, address, connection_type, client, broker)
		SELECT used.id, used.tenant_id, seen.at, seen.address, seen.connection_type, seen.client, brokers.name
		FROM unnest(@accounts::text[], @users::text[], @ats::timestamptz[], @addresses::text[], @types::text[], @clients::text[])
			AS seen (account, user_key, at, address, connection_type, client)
		JOIN brokers ON brokers.operator_id = @operator AND brokers.public_key = @broker
		CROSS JOIN LATERAL (
			SELECT credentials.id, credentials.tenant_id
			FROM accounts
			JOIN credentials ON credentials.account_id = accounts.id
			WHERE accounts.public_key = seen.account
			AND accounts.operator_id = @operator
			AND accounts.deleted_at IS NULL
			AND credentials.public_key = seen.user_key
			LIMIT 1
		) AS used
		ORDER BY used.id
		ON CONFLICT (credential_id) DO UPDATE
		SET seen_at = EXCLUDED.seen_at,
			address = EXCLUDED.address,
			connection_type = EXCLUDED.connection_type,
			client = EXCLUDED.client,
			broker = EXCLUDED.broker
		WHERE credential_sightings.seen_at < EXCLUDED.seen_at`
	args := pgx.StrictNamedArgs{"operator": operator, "broker": broker}
	args["accounts"] = column(reports, func(r SightingReport) claims.AccountKey { return r.AccountKey })
	args["users"] = column(reports, func(r SightingReport) claims.UserKey { return r.UserKey })
	args["ats"] = column(reports, func(r SightingReport) time.Time { return now.Add(-r.Ago) })
	args["addresses"] = column(reports, func(r SightingReport) string { return r.Address })
	args["types"] = column(reports, func(r SightingReport) string { return r.ConnectionType })
	args["clients"] = column(reports, func(r SightingReport) string { return r.Client })
	_, err := exec(ctx, q, query, args)
	return err
}
