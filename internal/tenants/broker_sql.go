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

// brokerColumns has never heard from the broker: that is in feed's receipts.
const brokerColumns = `id, operator_id, 'broker' AS kind, public_key, name, cluster, control_url, endpoints, ` +
	`operator_jwt_id, system_public_key AS system, 0::bigint AS applied, NULL::timestamptz AS heard_at, created_at, updated_at`

var brokerFaults = map[string]*fault.Error{
	"brokers_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another broker of this operator has this name"},
}

// upsertBroker seats the key, or finds it seated and updates it.
func upsertBroker(ctx context.Context, tx pgx.Tx, operator OperatorID, key claims.UserKey, tokenHash []byte, p BrokerSpec, by GoesBy, now time.Time) (b Broker, isNew bool, err error) {
	const query = `
		INSERT INTO brokers (id, operator_id, name, public_key, token_hash, cluster, control_url, endpoints, operator_jwt_id, system_public_key, created_at, updated_at)
		VALUES (@id, @operator, @name, @key, @hash, @cluster, @control_url, @endpoints, @jwt, @system, @now, @now)
		ON CONFLICT (public_key) DO UPDATE
		SET name = EXCLUDED.name,
			token_hash = EXCLUDED.token_hash,
			cluster = EXCLUDED.cluster,
			control_url = EXCLUDED.control_url,
			endpoints = EXCLUDED.endpoints,
			operator_jwt_id = EXCLUDED.operator_jwt_id,
			system_public_key = EXCLUDED.system_public_key,
			updated_at = EXCLUDED.updated_at
		WHERE brokers.operator_id = EXCLUDED.operator_id
		RETURNING ` + brokerColumns
	id := NewID[BrokerID]("brk")
	b, err = one[Broker](ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "operator": operator, "name": p.Name, "key": key, "hash": tokenHash,
		"cluster": p.Cluster, "control_url": p.ControlURL, "endpoints": p.Endpoints.stored(), "jwt": by.OperatorJWTID, "system": by.System, "now": now,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Broker{}, false, &fault.Error{Kind: fault.Conflict, Pointer: "/public_key", Message: "this broker is enrolled under another operator"}
	}
	if err != nil {
		return Broker{}, false, fmt.Errorf("seat a broker: %w", postgres.Fault(err, brokerFaults))
	}
	return b, b.ID == id, nil
}

func brokerByToken(ctx context.Context, tx pgx.Tx, id BrokerID, tokenHash []byte) (Broker, error) {
	const query = `
		SELECT ` + brokerColumns + `
		FROM brokers
		WHERE id = @id
		AND token_hash = @hash`
	return one[Broker](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "hash": tokenHash})
}

func brokerByID(ctx context.Context, q querier, id BrokerID) (Broker, error) {
	const query = `
		SELECT ` + brokerColumns + `
		FROM brokers
		WHERE id = @id`
	broker, err := one[Broker](ctx, q, query, pgx.StrictNamedArgs{"id": id})
	return broker, found(err, "broker", string(id))
}

// lockSharesOf keeps others from changing counts of which the broker holds places,
// in the order in which those lock them, and the broker from asking for more.
func lockSharesOf(ctx context.Context, tx pgx.Tx, key claims.UserKey) error {
	const asks = `
		SELECT
		FROM lease_brokers
		WHERE broker_key = @key
		FOR UPDATE`
	if _, err := exec(ctx, tx, asks, pgx.StrictNamedArgs{"key": key}); err != nil {
		return err
	}
	const counts = `
		SELECT
		FROM connection_buckets
		WHERE (account_id, bucket) IN (
			SELECT account_id, bucket
			FROM connection_shares
			WHERE broker_key = @key
		)
		ORDER BY account_id, bucket
		FOR UPDATE`
	_, err := exec(ctx, tx, counts, pgx.StrictNamedArgs{"key": key})
	return err
}

// deleteBroker forgets the broker, the places that it held, and what it said of its disk.
func deleteBroker(ctx context.Context, tx pgx.Tx, b Broker) error {
	for _, query := range []string{`
		DELETE FROM disks
		WHERE operator_id = @operator
		AND broker_key = @key`, `
		DELETE FROM erasures
		WHERE operator_id = @operator
		AND broker_key = @key`, `
		DELETE FROM brokers
		WHERE operator_id = @operator
		AND public_key = @key`} {
		if _, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"operator": b.OperatorID, "key": b.PublicKey}); err != nil {
			return fmt.Errorf("delete a broker: %w", err)
		}
	}
	return nil
}

func updateBrokerPlace(ctx context.Context, tx pgx.Tx, id BrokerID, p BrokerPlace, by GoesBy, now time.Time) error {
	const query = `
		UPDATE brokers
		SET cluster = @cluster,
			control_url = @control_url,
			endpoints = @endpoints,
			operator_jwt_id = @jwt,
			system_public_key = @system,
			updated_at = @now
		WHERE id = @id`
	updated, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "cluster": p.Cluster, "control_url": p.ControlURL, "endpoints": p.Endpoints.stored(), "jwt": by.OperatorJWTID, "system": by.System, "now": now,
	})
	if err == nil && updated == 0 {
		return notFound("broker", string(id))
	}
	return err
}

func brokersByOperator(ctx context.Context, q querier, operator OperatorID, k Keyset) ([]Broker, error) {
	args := pgx.StrictNamedArgs{"operator": operator}
	query := `
		SELECT ` + brokerColumns + `
		FROM brokers
		WHERE operator_id = @operator` + k.SQL("id", "", args)
	return all[Broker](ctx, q, query, args)
}

// brokersOf are all of the operator's, by name.
func brokersOf(ctx context.Context, q querier, operator OperatorID) ([]Broker, error) {
	const query = `
		SELECT ` + brokerColumns + `
		FROM brokers
		WHERE operator_id = @operator
		ORDER BY name`
	return all[Broker](ctx, q, query, pgx.StrictNamedArgs{"operator": operator})
}

// recipientsOf are all who must hear of the operator's changes: its brokers and
// then the servers attached to it, by name.
func recipientsOf(ctx context.Context, q querier, operator OperatorID) ([]Broker, error) {
	const query = `
		SELECT ` + brokerColumns + `
		FROM brokers
		WHERE operator_id = @operator
		UNION ALL
		SELECT id, operator_id, 'server', id, name, '', '', '{}', '', '', 0, NULL, created_at, updated_at
		FROM servers
		WHERE operator_id = @operator
		ORDER BY kind, name`
	return all[Broker](ctx, q, query, pgx.StrictNamedArgs{"operator": operator})
}

const enrollmentColumns = `id, operator_id, uses_left AS uses, expires_at, created_at`

func insertEnrollment(ctx context.Context, tx pgx.Tx, e Enrollment, tokenHash []byte, by string) error {
	const query = `
		INSERT INTO enrollments (id, operator_id, token_hash, uses_left, expires_at, created_by, created_at)
		VALUES (@id, @operator, @hash, @uses, @expires, @by, @now)`
	_, err := exec(ctx, tx, query, enrollmentArgs(e, tokenHash, by))
	if err != nil {
		return fmt.Errorf("insert an enrolment: %w", err)
	}
	return nil
}

// renewEnrollment inserts the enrolment, or gives the one with this token its uses and expiry.
func renewEnrollment(ctx context.Context, tx pgx.Tx, e Enrollment, tokenHash []byte, by string) error {
	const query = `
		INSERT INTO enrollments (id, operator_id, token_hash, uses_left, expires_at, created_by, created_at)
		VALUES (@id, @operator, @hash, @uses, @expires, @by, @now)
		ON CONFLICT (token_hash) DO UPDATE
		SET uses_left = EXCLUDED.uses_left,
			expires_at = EXCLUDED.expires_at`
	_, err := exec(ctx, tx, query, enrollmentArgs(e, tokenHash, by))
	if err != nil {
		return fmt.Errorf("renew an enrolment: %w", err)
	}
	return nil
}

func enrollmentArgs(e Enrollment, tokenHash []byte, by string) pgx.StrictNamedArgs {
	return pgx.StrictNamedArgs{
		"id": e.ID, "operator": e.OperatorID, "hash": tokenHash, "uses": e.Uses, "expires": e.ExpiresAt, "by": by, "now": e.CreatedAt,
	}
}

// lockEnrollment finds an enrolment that can be used now, and keeps others from using it meanwhile.
func lockEnrollment(ctx context.Context, tx pgx.Tx, tokenHash []byte, now time.Time) (Enrollment, error) {
	const query = `
		SELECT ` + enrollmentColumns + `
		FROM enrollments
		WHERE token_hash = @hash
		AND uses_left > 0
		AND expires_at > @now
		FOR UPDATE`
	return one[Enrollment](ctx, tx, query, pgx.StrictNamedArgs{"hash": tokenHash, "now": now})
}

func useEnrollment(ctx context.Context, tx pgx.Tx, id EnrollmentID) error {
	const query = `
		UPDATE enrollments
		SET uses_left = uses_left - 1
		WHERE id = @id`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": id})
	return err
}

// deleteOtherEnrollments ends those that by has made, but for the one with this token.
func deleteOtherEnrollments(ctx context.Context, tx pgx.Tx, by string, tokenHash []byte) error {
	const query = `
		DELETE FROM enrollments
		WHERE created_by = @by
		AND token_hash <> @hash`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"by": by, "hash": tokenHash})
	return err
}

func deleteEnrollmentsExpiredBy(ctx context.Context, q querier, now time.Time) error {
	const query = `
		DELETE FROM enrollments
		WHERE expires_at <= @now`
	_, err := exec(ctx, q, query, pgx.StrictNamedArgs{"now": now})
	return err
}

func countBrokers(ctx context.Context, q querier, operator OperatorID) (int, error) {
	return value[int](ctx, q, `
		SELECT count(*)
		FROM brokers
		WHERE operator_id = @operator`,
		pgx.StrictNamedArgs{"operator": operator})
}
