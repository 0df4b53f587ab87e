package tenants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// operatorColumns has a revision that says nothing: the real one is feed's.
const operatorColumns = `id, name, description, tags, first_account, public_key, signing_public_key, jwt, system_public_key, system_jwt, is_default, ` +
	`0::bigint AS revision, version, created_at, updated_at`

var operatorFaults = map[string]*fault.Error{
	"operators_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another operator has this name"},
}

// sealedOperator is an operator with its seeds, as it is inserted.
type sealedOperator struct {
	Operator
	SealedSeed        []byte
	SealedSigningSeed []byte
	SystemSealedSeed  []byte
}

func lockBootstrap(ctx context.Context, tx pgx.Tx) error {
	_, err := exec(ctx, tx, `SELECT pg_advisory_xact_lock(@lock)`, pgx.StrictNamedArgs{"lock": int64(bootstrapLock)})
	return err
}

func hasDefaultPlan(ctx context.Context, tx pgx.Tx) (bool, error) {
	const query = `
		SELECT EXISTS (
			SELECT
			FROM plans
			WHERE is_default
		)`
	return value[bool](ctx, tx, query, pgx.StrictNamedArgs{})
}

func insertOperator(ctx context.Context, tx pgx.Tx, o sealedOperator, now time.Time) (Operator, error) {
	const query = `
		INSERT INTO operators (id, name, description, tags, first_account, public_key, sealed_seed, signing_public_key, sealed_signing_seed, jwt,
			system_public_key, system_sealed_seed, system_jwt, is_default, created_at, updated_at)
		VALUES (@id, @name, @description, @tags, @first_account, @key, @sealed, @signing_key, @signing_sealed, @jwt,
			@system_key, @system_sealed, @system_jwt, @default, @now, @now)
		RETURNING ` + operatorColumns
	operator, err := one[Operator](ctx, tx, query, pgx.StrictNamedArgs{
		"id": o.ID, "name": o.Name, "description": o.Description, "tags": notNull(o.Tags), "first_account": o.FirstAccount, "key": o.PublicKey, "sealed": o.SealedSeed,
		"signing_key": o.SigningPublicKey, "signing_sealed": o.SealedSigningSeed, "jwt": o.JWT,
		"system_key": o.SystemPublicKey, "system_sealed": o.SystemSealedSeed, "system_jwt": o.SystemJWT,
		"default": o.IsDefault, "now": now,
	})
	if err != nil {
		return Operator{}, fmt.Errorf("insert an operator: %w", postgres.Fault(err, operatorFaults))
	}
	return operator, insertSigningKey(ctx, tx, o.ID, o.SigningPublicKey, o.SealedSigningSeed, KeyActive, now)
}

const selectOperator = `
	SELECT ` + operatorColumns + `
	FROM operators`

func operatorByDefault(ctx context.Context, q querier) (Operator, error) {
	const query = selectOperator + `
		WHERE is_default`
	return one[Operator](ctx, q, query, pgx.StrictNamedArgs{})
}

func operatorByID(ctx context.Context, q querier, id OperatorID) (Operator, error) {
	const query = selectOperator + `
		WHERE id = @id`
	operator, err := one[Operator](ctx, q, query, pgx.StrictNamedArgs{"id": id})
	return operator, found(err, "operator", string(id))
}

func operatorsByAge(ctx context.Context, q querier, k Keyset) ([]Operator, error) {
	args := pgx.StrictNamedArgs{}
	query := selectOperator + `
		WHERE true` + k.SQL("id", "", args)
	return all[Operator](ctx, q, query, args)
}

func allOperators(ctx context.Context, q querier) ([]Operator, error) {
	const query = selectOperator + `
		ORDER BY id`
	return all[Operator](ctx, q, query, pgx.StrictNamedArgs{})
}

// signingSeed is the key that signs the operator's accounts, with its sealed seed.
func signingSeed(ctx context.Context, q querier, id OperatorID) (claims.OperatorKey, []byte, error) {
	const query = `
		SELECT signing_public_key, sealed_signing_seed
		FROM operators
		WHERE id = @id`
	signing, err := one[struct {
		SigningPublicKey  claims.OperatorKey
		SealedSigningSeed []byte
	}](ctx, q, query, pgx.StrictNamedArgs{"id": id})
	if err != nil {
		return "", nil, fmt.Errorf("read the signing key of operator %s: %w", id, err)
	}
	return signing.SigningPublicKey, signing.SealedSigningSeed, nil
}

// systemSeed is the system account's key, with its sealed seed: of the present
// one if system is empty.
func systemSeed(ctx context.Context, q querier, id OperatorID, system claims.AccountKey) (claims.AccountKey, []byte, error) {
	const query = `
		SELECT system_public_key, system_sealed_seed
		FROM operators
		WHERE id = @id
		AND @system IN ('', system_public_key)
		UNION ALL
		SELECT public_key, sealed_seed
		FROM former_system_accounts
		WHERE operator_id = @id
		AND public_key = @system
		AND retired_at IS NULL`
	seat, err := one[struct {
		SystemPublicKey  claims.AccountKey
		SystemSealedSeed []byte
	}](ctx, q, query, pgx.StrictNamedArgs{"id": id, "system": system})
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.New(fault.NotFound, "operator %s has no system account %s", id, system)
	}
	return seat.SystemPublicKey, seat.SystemSealedSeed, err
}

const accountJWTColumns = `public_key AS key, revision, jwt`

// accountJWTs are in revision order.
func accountJWTs(ctx context.Context, q querier, operator OperatorID, keys []string) ([]AccountJWT, error) {
	const query = `
		SELECT ` + accountJWTColumns + `
		FROM account_jwts
		WHERE operator_id = @operator
		AND public_key = ANY(@keys)
		ORDER BY revision`
	return all[AccountJWT](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "keys": keys})
}

func accountJWTByKey(ctx context.Context, q querier, operator OperatorID, key claims.AccountKey) (AccountJWT, error) {
	const query = `
		SELECT ` + accountJWTColumns + `
		FROM account_jwts
		WHERE operator_id = @operator
		AND public_key = @key
		UNION ALL
		SELECT system_public_key, 0, system_jwt
		FROM operators
		WHERE id = @operator
		AND system_public_key = @key`
	jwt, err := one[AccountJWT](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "key": key})
	return jwt, found(err, "account", string(key))
}

// lockOperator keeps others from changing the operator, and its JWT, until tx ends.
func lockOperator(ctx context.Context, tx pgx.Tx, id OperatorID) (Operator, error) {
	const query = selectOperator + `
		WHERE id = @id
		FOR NO KEY UPDATE`
	operator, err := one[Operator](ctx, tx, query, pgx.StrictNamedArgs{"id": id})
	return operator, found(err, "operator", string(id))
}

func updateOperator(ctx context.Context, tx pgx.Tx, id OperatorID, spec OperatorSpec, now time.Time) error {
	const query = `
		UPDATE operators
		SET name = @name,
			description = @description,
			tags = @tags,
			first_account = @first_account,
			version = version + 1,
			updated_at = @now
		WHERE id = @id`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "name": spec.Name, "description": spec.Description, "tags": notNull(spec.Tags), "first_account": spec.FirstAccount, "now": now,
	})
	return postgres.Fault(err, operatorFaults)
}

func updateOperatorJWT(ctx context.Context, tx pgx.Tx, id OperatorID, token string) (Operator, error) {
	const query = `
		UPDATE operators
		SET jwt = @jwt
		WHERE id = @id
		RETURNING ` + operatorColumns
	return one[Operator](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "jwt": token})
}

// moveDefaultOperator makes the operator the default, in place of whichever is.
func moveDefaultOperator(ctx context.Context, tx pgx.Tx, id OperatorID) error {
	const clear = `
		UPDATE operators
		SET is_default = false
		WHERE is_default`
	if _, err := exec(ctx, tx, clear, pgx.StrictNamedArgs{}); err != nil {
		return err
	}
	const set = `
		UPDATE operators
		SET is_default = true
		WHERE id = @id`
	_, err := exec(ctx, tx, set, pgx.StrictNamedArgs{"id": id})
	return err
}

// operatorSeed is the operator's own key, with its sealed seed.
func operatorSeed(ctx context.Context, q querier, id OperatorID) (claims.OperatorKey, []byte, error) {
	const query = `
		SELECT public_key, sealed_seed
		FROM operators
		WHERE id = @id`
	own, err := one[struct {
		PublicKey  claims.OperatorKey
		SealedSeed []byte
	}](ctx, q, query, pgx.StrictNamedArgs{"id": id})
	return own.PublicKey, own.SealedSeed, found(err, "operator", string(id))
}
