package tenants

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

func eventsByTenant(ctx context.Context, q querier, tenant TenantID, k Keyset) ([]Event, error) {
	args := pgx.StrictNamedArgs{"tenant": tenant}
	query := `
		SELECT id, type, subject, data, created_at
		FROM events
		WHERE tenant_id = @tenant` + k.SQL("id", "", args)
	return all[Event](ctx, q, query, args)
}

// insertExpiryEvents writes an event for each of the credentials that one is due
// for, notes when the next one is, and answers how many credentials it was. Those
// that another replica is about to write it leaves alone. Of credentials that
// nobody can use any more there is no event.
func insertExpiryEvents(ctx context.Context, q querier, now time.Time, limit int) (int64, error) {
	const query = `
		WITH due AS (
			SELECT id, tenant_id, account_id, user_id, row_number() OVER (ORDER BY event_at) AS place
			FROM (
				SELECT id, tenant_id, account_id, user_id, event_at
				FROM credentials
				WHERE event_at <= @now
				ORDER BY event_at
				LIMIT @limit
				FOR NO KEY UPDATE SKIP LOCKED
			) AS locked
		), noted AS (
			UPDATE credentials
			SET event_at = CASE WHEN expires_at > @now AND revoked_at IS NULL THEN expires_at END
			FROM due
			WHERE credentials.id = due.id
			RETURNING credentials.id, credentials.tenant_id, credentials.account_id, credentials.user_id, credentials.name, credentials.kind,
				credentials.expires_at, credentials.revoked_at, due.place
		), written AS (
			INSERT INTO events (id, tenant_id, type, subject, data, created_at)
			SELECT (@ids::text[])[noted.place], noted.tenant_id, 
				CASE WHEN noted.kind = 'creds' THEN
					CASE WHEN noted.expires_at > @now THEN @expiring ELSE @expired END
				ELSE
					CASE WHEN noted.expires_at > @now THEN @login_expiring ELSE @login_expired END
				END, noted.id,
				jsonb_build_object('account_id', noted.account_id, 'user_id', noted.user_id, 'user', users.name, 'name', noted.name, 'expires_at', noted.expires_at),
				@now
			FROM noted
			JOIN users ON users.id = noted.user_id
			JOIN accounts ON accounts.id = noted.account_id
			WHERE noted.revoked_at IS NULL
			AND users.deleted_at IS NULL
			AND accounts.deleted_at IS NULL
		)
		SELECT count(*)
		FROM noted`
	ids := make([]EventID, limit)
	for i := range ids {
		ids[i] = NewID[EventID]("evt")
	}
	return value[int64](ctx, q, query, pgx.StrictNamedArgs{
		"now": now, "limit": limit, "ids": ids, "expiring": CredentialExpiringEvent, "expired": CredentialExpiredEvent,
		"login_expiring": DeviceLoginExpiringEvent, "login_expired": DeviceLoginExpiredEvent,
	})
}

func deleteEventsBefore(ctx context.Context, q querier, before time.Time) error {
	const query = `
		DELETE FROM events
		WHERE created_at <= @before`
	_, err := exec(ctx, q, query, pgx.StrictNamedArgs{"before": before})
	return err
}
