package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const operationColumns = `operations.id, operations.tenant_id, operations.operator_id, operations.kind, operations.stage, operations.detail, ` +
	`operations.done, operations.total, operations.created_by, operations.created_at, operations.updated_at, operations.finished_at`

func insertOperation(ctx context.Context, tx pgx.Tx, o work) error {
	const query = `
		INSERT INTO operations (id, tenant_id, operator_id, kind, state, stage, total, created_by, created_at, updated_at)
		VALUES (@id, @tenant, @operator, @kind, @state, @stage, @total, @by, @now, @now)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": o.ID, "tenant": o.TenantID, "operator": o.OperatorID, "kind": o.Kind, "state": o.State, "stage": o.Stage,
		"total": o.Total, "by": o.CreatedBy, "now": o.CreatedAt,
	})
	if err != nil {
		return fmt.Errorf("insert an operation: %w", err)
	}
	return nil
}

// operationByID is for the members of the operation's tenant, and for staff.
func operationByID(ctx context.Context, q querier, actor Actor, id OperationID) (Operation, error) {
	const query = `
		SELECT ` + operationColumns + `
		FROM operations
		WHERE id = @id
		AND (tenant_id = ANY(@tenants) OR @staff)`
	operation, err := one[Operation](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants(), "staff": actor.Staff})
	return operation, found(err, "operation", string(id))
}

func unfinishedOperations(ctx context.Context, q querier) ([]OperationID, error) {
	const query = `
		SELECT id
		FROM operations
		WHERE finished_at IS NULL
		ORDER BY id`
	rows, _ := q.Query(ctx, query)
	return pgx.CollectRows(rows, pgx.RowTo[OperationID])
}

// lockOperation is for the next step; [pgx.ErrNoRows] when another replica does
// it, or nothing is left to do.
func lockOperation(ctx context.Context, tx pgx.Tx, id OperationID) (work, error) {
	const query = `
		SELECT ` + operationColumns + `, operations.state
		FROM operations
		WHERE id = @id
		AND finished_at IS NULL
		FOR UPDATE SKIP LOCKED`
	return one[work](ctx, tx, query, pgx.StrictNamedArgs{"id": id})
}

func updateOperation(ctx context.Context, tx pgx.Tx, w work, now time.Time) error {
	const query = `
		UPDATE operations
		SET state = @state,
			stage = @stage,
			detail = @detail,
			done = @done,
			total = @total,
			updated_at = @now,
			finished_at = @finished
		WHERE id = @id`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": w.ID, "state": w.State, "stage": w.Stage, "detail": w.Detail, "done": w.Done, "total": w.Total, "now": now, "finished": w.FinishedAt,
	})
	return err
}
