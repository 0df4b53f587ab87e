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
	Refusals  []Refusal
	HeardAt   time.Time // by the database's clock
}

// Refusal is an account whose claims a broker would not take.
type Refusal struct {
	AccountKey string   `json:"account"`
	Revision   Revision `json:"revision"` // of the claims refused
	Reason     string   `json:"reason"`
}

const receiptColumns = `broker_key, applied, refusals, heard_at`

// RecordReceipt keeps what the broker says now in place of what it said before.
// Applied may go down: a broker that lost its store starts again from 0, and
// then that is the truth. HeardAt is set here. Any broker_key is taken; whether
// it is one of the operator's, the reader knows.
func RecordReceipt(ctx context.Context, q Querier, operatorID string, r Receipt) error {
	const query = `
		INSERT INTO receipts (operator_id, broker_key, applied, refusals, heard_at)
		VALUES (@operator, @broker, @applied, @refusals, now())
		ON CONFLICT (operator_id, broker_key) DO UPDATE
		SET applied = EXCLUDED.applied,
			refusals = EXCLUDED.refusals,
			heard_at = EXCLUDED.heard_at`
	refusals := r.Refusals
	if refusals == nil {
		refusals = []Refusal{}
	}
	rows, err := q.Query(ctx, query, pgx.StrictNamedArgs{
		"operator": operatorID, "broker": r.BrokerKey, "applied": r.Applied, "refusals": refusals,
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
