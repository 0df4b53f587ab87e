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

var signingKeyFaults = map[string]*fault.Error{
	"operator_signing_keys_one_next": {Kind: fault.Conflict, Message: "the operator has a next signing key already"},
}

func insertSigningKey(ctx context.Context, tx pgx.Tx, operator OperatorID, key claims.OperatorKey, sealed []byte, status SigningKeyStatus, now time.Time) error {
	const query = `
		INSERT INTO operator_signing_keys (public_key, operator_id, sealed_seed, status, created_at)
		VALUES (@key, @operator, @sealed, @status, @now)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"key": key, "operator": operator, "sealed": sealed, "status": status, "now": now})
	if err != nil {
		return fmt.Errorf("insert a signing key: %w", postgres.Fault(err, signingKeyFaults))
	}
	return nil
}

// signingKeysOf are all of the operator's, oldest first.
func signingKeysOf(ctx context.Context, q querier, operator OperatorID) ([]SigningKey, error) {
	const query = `
		SELECT public_key, status, created_at, retired_at
		FROM operator_signing_keys
		WHERE operator_id = @operator
		ORDER BY created_at, public_key`
	return all[SigningKey](ctx, q, query, pgx.StrictNamedArgs{"operator": operator})
}

// activateSigningKey lets the next key sign, and the active one leave.
func activateSigningKey(ctx context.Context, tx pgx.Tx, operator OperatorID) error {
	for _, query := range []string{`
		UPDATE operator_signing_keys
		SET status = 'leaving'
		WHERE operator_id = @operator
		AND status = 'active'`, `
		UPDATE operator_signing_keys
		SET status = 'active'
		WHERE operator_id = @operator
		AND status = 'next'`, `
		UPDATE operators
		SET signing_public_key = active.public_key,
			sealed_signing_seed = active.sealed_seed
		FROM operator_signing_keys AS active
		WHERE operators.id = @operator
		AND active.operator_id = operators.id
		AND active.status = 'active'`} {
		if _, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"operator": operator}); err != nil {
			return err
		}
	}
	return nil
}

// retireSigningKeys forgets the seeds of the keys that leave.
func retireSigningKeys(ctx context.Context, tx pgx.Tx, operator OperatorID, now time.Time) error {
	const query = `
		UPDATE operator_signing_keys
		SET status = 'retired',
			sealed_seed = '',
			retired_at = @now
		WHERE operator_id = @operator
		AND status = 'leaving'`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"operator": operator, "now": now})
	return err
}

func updateSystemJWT(ctx context.Context, tx pgx.Tx, operator OperatorID, token string) error {
	const query = `
		UPDATE operators
		SET system_jwt = @jwt
		WHERE id = @operator`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"operator": operator, "jwt": token})
	return err
}

// rotating says whether the operator's signing key, or its system account, is being rotated.
func rotating(ctx context.Context, q querier, operator OperatorID) (bool, error) {
	const query = `
		SELECT EXISTS (
			SELECT
			FROM operations
			WHERE operator_id = @operator
			AND kind = ANY(@kinds)
			AND finished_at IS NULL
		)`
	return value[bool](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "kinds": []OperationKind{RotateSigningKey, RotateSystemAccount}})
}

// lockNextToSign are the operator's next accounts after that one, the deleted
// ones among them.
func lockNextToSign(ctx context.Context, tx pgx.Tx, operator OperatorID, after AccountID, limit int) ([]toSign, error) {
	const query = `
		SELECT ` + accountColumns + `, accounts.deleted_at
		FROM accounts
		WHERE accounts.operator_id = @operator
		AND accounts.id > @after
		ORDER BY accounts.id
		LIMIT @limit
		FOR NO KEY UPDATE`
	return all[toSign](ctx, tx, query, pgx.StrictNamedArgs{"operator": operator, "after": after, "limit": limit})
}

func countToSign(ctx context.Context, q querier, operator OperatorID) (int64, error) {
	const query = `
		SELECT count(*)
		FROM account_jwts
		WHERE operator_id = @operator`
	return value[int64](ctx, q, query, pgx.StrictNamedArgs{"operator": operator})
}

// lockTombstones are those of accounts that the operator never had.
func lockTombstones(ctx context.Context, tx pgx.Tx, operator OperatorID) ([]claims.AccountKey, error) {
	const query = `
		SELECT public_key
		FROM tombstones
		WHERE operator_id = @operator
		ORDER BY public_key
		FOR NO KEY UPDATE`
	rows, _ := tx.Query(ctx, query, pgx.StrictNamedArgs{"operator": operator})
	return pgx.CollectRows(rows, pgx.RowTo[claims.AccountKey])
}

// shareSigningKey keeps the operator's signing key from changing until tx ends.
// It is a statement of its own: the one that reads the key must begin after it.
func shareSigningKey(ctx context.Context, q querier, operator OperatorID) error {
	_, err := exec(ctx, q, `SELECT pg_advisory_xact_lock_shared(hashtextextended(@operator, 0))`, pgx.StrictNamedArgs{"operator": string(operator)})
	return err
}

// ownSigningKey waits for whoever signs with the operator's key to end, and keeps
// others from beginning until tx ends.
func ownSigningKey(ctx context.Context, tx pgx.Tx, operator OperatorID) error {
	_, err := exec(ctx, tx, `SELECT pg_advisory_xact_lock(hashtextextended(@operator, 0))`, pgx.StrictNamedArgs{"operator": string(operator)})
	return err
}
