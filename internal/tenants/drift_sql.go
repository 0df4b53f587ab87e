package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// sumSQL is what brokers compute: see resolver.SumOf.
const sumSQL = `('x' || encode(substring(sha256(convert_to(public_key || jwt, 'UTF8')) FOR 8), 'hex'))::bit(64)::bigint`

func heldSums(ctx context.Context, q querier, operator OperatorID) (map[string]int64, error) {
	const query = `
		SELECT left(public_key, 4), bit_xor(` + sumSQL + `)
		FROM account_jwts
		WHERE operator_id = @operator
		GROUP BY 1`
	rows, _ := q.Query(ctx, query, pgx.StrictNamedArgs{"operator": operator})
	sums := map[string]int64{}
	var bucket string
	var sum int64
	_, err := pgx.ForEachRow(rows, []any{&bucket, &sum}, func() error {
		sums[bucket] = sum
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sum up the account JWTs of %s: %w", operator, err)
	}
	return sums, nil
}

func heldIn(ctx context.Context, q querier, operator OperatorID, buckets []string) ([]HeldJWT, error) {
	const query = `
		SELECT public_key AS key, revision, ` + sumSQL + ` AS sum
		FROM account_jwts
		WHERE operator_id = @operator
		AND left(public_key, 4) = ANY(@buckets)
		ORDER BY public_key`
	return all[HeldJWT](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "buckets": buckets})
}

// lockHeld locks those of the accounts that exist, and returns their keys.
func lockHeld(ctx context.Context, tx pgx.Tx, operator OperatorID, keys []claims.AccountKey) ([]claims.AccountKey, error) {
	const query = `
		SELECT public_key
		FROM accounts
		WHERE operator_id = @operator
		AND public_key = ANY(@keys)
		ORDER BY id
		FOR NO KEY UPDATE`
	rows, _ := tx.Query(ctx, query, pgx.StrictNamedArgs{"operator": operator, "keys": keys})
	known, err := pgx.CollectRows(rows, pgx.RowTo[claims.AccountKey])
	if err != nil {
		return nil, fmt.Errorf("lock the accounts to repair: %w", err)
	}
	return known, nil
}

// setHeldRevision labels the account's JWT, or its tombstone, with a new revision.
func setHeldRevision(ctx context.Context, tx pgx.Tx, operator OperatorID, key claims.AccountKey, revision feed.Revision) error {
	args := pgx.StrictNamedArgs{"operator": operator, "key": key, "revision": revision}
	updated, err := exec(ctx, tx, `
		UPDATE accounts
		SET revision = @revision
		WHERE operator_id = @operator
		AND public_key = @key`, args)
	if err == nil && updated == 0 {
		updated, err = exec(ctx, tx, `
			UPDATE tombstones
			SET revision = @revision
			WHERE operator_id = @operator
			AND public_key = @key`, args)
	}
	if err == nil && updated == 0 {
		err = notFound("account", string(key))
	}
	return err
}

func upsertTombstone(ctx context.Context, tx pgx.Tx, operator OperatorID, t AccountJWT, now time.Time) error {
	const query = `
		INSERT INTO tombstones (operator_id, public_key, jwt, revision, created_at)
		VALUES (@operator, @key, @jwt, @revision, @now)
		ON CONFLICT (operator_id, public_key) DO UPDATE
		SET jwt = EXCLUDED.jwt,
			revision = EXCLUDED.revision`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"operator": operator, "key": t.Key, "jwt": t.JWT, "revision": t.Revision, "now": now})
	return err
}
