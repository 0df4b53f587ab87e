package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// claimOnce reports whether the key was free, or had expired. While another
// transaction holds the key, it waits for that to end.
func claimOnce(ctx context.Context, tx pgx.Tx, actor Actor, once Once, id string, now time.Time) (bool, error) {
	const query = `
		INSERT INTO idempotency_keys (actor, key, request, resource_id, created_at)
		VALUES (@actor, @key, @request, @id, @now)
		ON CONFLICT (actor, key) DO UPDATE
		SET request = EXCLUDED.request,
			resource_id = EXCLUDED.resource_id,
			created_at = EXCLUDED.created_at
		WHERE idempotency_keys.created_at <= @expired`
	n, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"actor": actor.ID, "key": once.Key, "request": once.Request[:], "id": id, "now": now, "expired": now.Add(-onceFor),
	})
	if err != nil {
		return false, fmt.Errorf("claim an idempotency key: %w", err)
	}
	return n == 1, nil
}

func onceByKey(ctx context.Context, tx pgx.Tx, actor Actor, key string) (request [32]byte, id string, err error) {
	const query = `
		SELECT request, resource_id
		FROM idempotency_keys
		WHERE actor = @actor
		AND key = @key`
	found, err := one[struct {
		Request    []byte
		ResourceID string
	}](ctx, tx, query, pgx.StrictNamedArgs{"actor": actor.ID, "key": key})
	if err != nil {
		return request, "", fmt.Errorf("read an idempotency key: %w", err)
	}
	copy(request[:], found.Request)
	return request, found.ResourceID, nil
}

func deleteOnceBefore(ctx context.Context, q querier, before time.Time) error {
	const query = `
		DELETE FROM idempotency_keys
		WHERE created_at <= @before`
	_, err := exec(ctx, q, query, pgx.StrictNamedArgs{"before": before})
	return err
}
