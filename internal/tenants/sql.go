package tenants

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signalbox-io/signalbox/internal/postgres"
)

// querier is the pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// database is the pool, or the transaction of a [Service.Rehearse].
type database interface {
	querier
	postgres.DB
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// one reads the one row of a query into a struct; [pgx.ErrNoRows] when there is none.
func one[T any](ctx context.Context, q querier, sql string, args pgx.StrictNamedArgs) (T, error) {
	rows, _ := q.Query(ctx, sql, args) // its error is the rows', too
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	return row, postgres.Fault(err, nil)
}

// value reads the one column of the one row of a query.
func value[T any](ctx context.Context, q querier, sql string, args pgx.StrictNamedArgs) (T, error) {
	rows, _ := q.Query(ctx, sql, args)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	return v, postgres.Fault(err, nil)
}

// all reads the rows of a query into structs. It is never nil without an error.
func all[T any](ctx context.Context, q querier, sql string, args pgx.StrictNamedArgs) ([]T, error) {
	rows, _ := q.Query(ctx, sql, args)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	return list, postgres.Fault(err, nil)
}

// exec runs a statement and answers how many rows it touched.
func exec(ctx context.Context, q querier, sql string, args pgx.StrictNamedArgs) (int64, error) {
	tag, err := q.Exec(ctx, sql, args)
	return tag.RowsAffected(), postgres.Fault(err, nil)
}

// column is one field of each of the rows to be, for unnest.
func column[R, T any](rows []R, field func(R) T) []T {
	values := make([]T, 0, len(rows))
	for _, r := range rows {
		values = append(values, field(r))
	}
	return values
}

// found turns the absence of a row into NotFound, and leaves other errors alone.
func found(err error, noun string, id string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound(noun, id)
	}
	return err
}

// notNull is a list for a column that takes no null.
func notNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
