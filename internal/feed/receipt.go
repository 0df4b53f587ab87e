package feed

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Receipt is what a broker last said it has in force.
type Receipt struct {
	BrokerKey string   // the broker's public user key
	Applied   Revision // it has everything up to here, except what it refused
	Settled   bool     `db:"-"` // it has not less than it said before: what is less was said earlier
	Refusals  []Refusal
	Effects   []Effect  // of what it applied lately, at most maxEffects, newest last
	HeardAt   time.Time // by the database's clock
}

// Refusal is an account whose claims a broker would not take.
type Refusal struct {
	AccountKey string   `json:"account"`
	Revision   Revision `json:"revision"` // of the claims refused
	Reason     string   `json:"reason"`
}

// Effect is what a broker's applying of an account's claims did.
type Effect struct {
	AccountKey string   `json:"account"`
	Revision   Revision `json:"revision"`
	Closed     int64    `json:"closed"` // connections
	Micros     int64    `json:"microseconds"`
}

const receiptColumns = `broker_key, applied, refusals, effects, heard_at`

// maxEffects bounds what is kept of a broker's effects: those who wait for one
// look several times a second.
const maxEffects = 200

// RecordReceipt keeps what the broker says now in place of what it said before.
// Applied may go down: a broker that lost its store starts again from 0, and
// then that is the truth. Where it is settled it does not, since receipts are kept as
// they come, over several connections and by several replicas, and one that is late must not take back what
// a newer one said. Effects are added to those kept, unless they are known.
// HeardAt is set here. Any broker_key is taken; whether it is one of the
// operator's, the reader knows.
func RecordReceipt(ctx context.Context, q Querier, operatorID string, r Receipt) error {
	const query = `
		INSERT INTO receipts (operator_id, broker_key, applied, refusals, effects, heard_at)
		VALUES (@operator, @broker, @applied, @refusals, @effects, now())
		ON CONFLICT (operator_id, broker_key) DO UPDATE
		SET applied = CASE
				WHEN @settled THEN greatest(receipts.applied, EXCLUDED.applied)
				ELSE EXCLUDED.applied
			END,
			refusals = CASE
				WHEN @settled AND EXCLUDED.applied < receipts.applied THEN receipts.refusals
				ELSE EXCLUDED.refusals
			END,
			effects = CASE
				WHEN EXCLUDED.effects = '[]' THEN receipts.effects
				ELSE (
					SELECT jsonb_agg(effect ORDER BY place)
					FROM (
						SELECT (array_agg(effect ORDER BY place))[1] AS effect, min(place) AS place
						FROM jsonb_array_elements(receipts.effects || EXCLUDED.effects) WITH ORDINALITY AS list (effect, place)
						GROUP BY effect -> 'account', effect -> 'revision'
						ORDER BY place DESC
						LIMIT @kept
					) AS newest
				)
			END,
			heard_at = EXCLUDED.heard_at`
	refusals := r.Refusals
	if refusals == nil {
		refusals = []Refusal{}
	}
	effects := r.Effects
	if effects == nil {
		effects = []Effect{}
	}
	rows, err := q.Query(ctx, query, pgx.StrictNamedArgs{
		"operator": operatorID, "broker": r.BrokerKey, "applied": r.Applied, "settled": r.Settled, "refusals": refusals,
		"effects": effects, "kept": maxEffects,
	})
	if err == nil {
		rows.Close()
		err = rows.Err()
	}
	if err != nil {
		return fmt.Errorf("record the receipt of broker %s: %w", r.BrokerKey, err)
	}
	return nil
}

// Receipts are what the operator's brokers last said, by broker key. One that
// never reported is absent.
func Receipts(ctx context.Context, q Querier, operatorID string) (map[string]Receipt, error) {
	const query = `
		SELECT ` + receiptColumns + `
		FROM receipts
		WHERE operator_id = @operator`
	rows, err := q.Query(ctx, query, pgx.StrictNamedArgs{"operator": operatorID})
	if err != nil {
		return nil, fmt.Errorf("read the receipts of %s: %w", operatorID, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Receipt])
	if err != nil {
		return nil, fmt.Errorf("read the receipts of %s: %w", operatorID, err)
	}
	receipts := make(map[string]Receipt, len(list))
	for _, r := range list {
		receipts[r.BrokerKey] = r
	}
	return receipts, nil
}

// ForgetReceipt removes what the broker said, in the caller's transaction: it never reported.
func ForgetReceipt(ctx context.Context, tx pgx.Tx, operatorID, brokerKey string) error {
	const query = `
		DELETE FROM receipts
		WHERE operator_id = @operator
		AND broker_key = @broker`
	if _, err := tx.Exec(ctx, query, pgx.StrictNamedArgs{"operator": operatorID, "broker": brokerKey}); err != nil {
		return fmt.Errorf("forget the receipt of broker %s: %w", brokerKey, err)
	}
	return nil
}
