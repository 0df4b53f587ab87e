package tenants

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// leaveSystemAccount keeps the operator's system account among the former ones,
// and notes that all brokers which said nothing are in it.
func leaveSystemAccount(ctx context.Context, tx pgx.Tx, operator OperatorID, now time.Time) error {
	const keep = `
		INSERT INTO former_system_accounts (public_key, operator_id, sealed_seed, jwt, left_at)
		SELECT system_public_key, id, system_sealed_seed, system_jwt, @now
		FROM operators
		WHERE id = @operator`
	if _, err := exec(ctx, tx, keep, pgx.StrictNamedArgs{"operator": operator, "now": now}); err != nil {
		return err
	}
	const note = `
		UPDATE brokers
		SET system_public_key = operators.system_public_key
		FROM operators
		WHERE operators.id = @operator
		AND brokers.operator_id = operators.id
		AND brokers.system_public_key = ''`
	_, err := exec(ctx, tx, note, pgx.StrictNamedArgs{"operator": operator})
	return err
}

func enterSystemAccount(ctx context.Context, tx pgx.Tx, operator OperatorID, system SystemAccount, sealed []byte) error {
	const query = `
		UPDATE operators
		SET system_public_key = @key,
			system_sealed_seed = @sealed,
			system_jwt = @jwt
		WHERE id = @operator`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"operator": operator, "key": system.Key, "sealed": sealed, "jwt": system.JWT})
	return err
}

// retireSystemAccount forgets the seed of the system account that was left, and
// returns its key.
func retireSystemAccount(ctx context.Context, tx pgx.Tx, operator OperatorID, now time.Time) (claims.AccountKey, error) {
	const query = `
		UPDATE former_system_accounts
		SET sealed_seed = '',
			retired_at = @now
		WHERE operator_id = @operator
		AND retired_at IS NULL
		RETURNING public_key`
	return value[claims.AccountKey](ctx, tx, query, pgx.StrictNamedArgs{"operator": operator, "now": now})
}

// formerSystemAccount is one that an operator has left.
type formerSystemAccount struct {
	SystemAccount
	RetiredAt *time.Time // nil: some brokers may be in it
}

// formerSystemAccountByKey fails with pgx.ErrNoRows if the operator never had it.
func formerSystemAccountByKey(ctx context.Context, q querier, operator OperatorID, key claims.AccountKey) (formerSystemAccount, error) {
	const query = `
		SELECT public_key AS key, jwt, retired_at
		FROM former_system_accounts
		WHERE operator_id = @operator
		AND public_key = @key`
	return one[formerSystemAccount](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "key": key})
}

// shareOperator keeps the operator's keys as they are until tx ends.
func shareOperator(ctx context.Context, tx pgx.Tx, id OperatorID) (Operator, error) {
	const query = selectOperator + `
		WHERE id = @id
		FOR SHARE`
	operator, err := one[Operator](ctx, tx, query, pgx.StrictNamedArgs{"id": id})
	return operator, found(err, "operator", string(id))
}
