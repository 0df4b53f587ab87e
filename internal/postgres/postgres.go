// Package postgres is how the rest of the program reaches its database: a pool
// of connections ([Open]), a transaction around a function ([InTx]), the
// schema brought up to date ([Migrate]), and database errors told apart by what a
// caller can do about them ([Fault]).
//
// It owns no table, and knows the schema only as package migrations' files. It
// promises that nothing waits for ever: connecting, statements, locks and idle
// transactions all have limits, which parameters in the URL override. Times come back in
// UTC. SQL and its arguments are never logged.
//
// Surprising: the function given to InTx may run more than once.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// patience is how long Open and Migrate wait for a database that does not
// answer yet: everything may have been started at once.
const patience = 30 * time.Second

const (
	connectTimeout = 5 * time.Second
	maxConnections = 16 // per pool: several replicas share the usual 100 of a server
)

// defaults are the settings of each connection that the URL does not set.
var defaults = map[string]string{
	"application_name":                    "signalbox",
	"timezone":                            "UTC",
	"statement_timeout":                   "30s",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "60s",
}

// Open connects a pool to the database and returns once it answers. A server
// that is not up yet is waited for, 30 seconds or until ctx ends; then the
// error is a [fault.Unavailable]. A server that refuses, because of a
// password say, is an error at once. Unless the URL says otherwise, the pool
// has at most 16 connections.
func Open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, badURL(err)
	}
	limit(config.ConnConfig)
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConnections
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		inUTC(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	if err := await(ctx, pool.Ping); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return pool, nil
}

// badURL hides what pgx quotes of a URL that it cannot parse: it does its best
// to leave the password out, but cannot know where it is.
func badURL(error) error {
	return errors.New("the database URL cannot be parsed; expected postgres://user:password@host:port/database")
}

// limit puts limits on the waits of a connection where the URL has none.
func limit(config *pgx.ConnConfig) {
	if config.ConnectTimeout == 0 || config.ConnectTimeout > 2*time.Minute { // pgx's own default is 2 minutes
		config.ConnectTimeout = connectTimeout
	}
	settings := maps.Clone(defaults)
	maps.Copy(settings, config.RuntimeParams)
	config.RuntimeParams = settings
}

// inUTC makes timestamptz values arrive in UTC instead of the machine's zone.
func inUTC(types *pgtype.Map) {
	types.RegisterType(&pgtype.Type{
		Name:  "timestamptz",
		OID:   pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

// await repeats a first contact until the server is up, or until it is clear
// that it will not answer as we hope.
func await(ctx context.Context, contact func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for delay := 20 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		err := Fault(contact(ctx), nil)
		if !errors.Is(err, fault.Unavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(delay):
		}
	}
}

// attempts is how often InTx runs a transaction that the database gave up
// because of another one.
const attempts = 5

// DB is where transactions begin: on a pool, or [Within] another transaction.
type DB interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Within makes a transaction stand in for the pool: those that begin on it are
// parts of it, which end with it, and have its options.
func Within(tx pgx.Tx) Outer { return Outer{tx} }

// Outer is a transaction that others begin within. It is for one goroutine.
type Outer struct{ pgx.Tx }

// BeginTx begins a part of the transaction.
func (o Outer) BeginTx(ctx context.Context, _ pgx.TxOptions) (pgx.Tx, error) { return o.Begin(ctx) }

// InTx runs fn in a transaction, commits if it returns nil, and rolls back if
// it returns an error or panics.
//
// When the database gives the transaction up because it collided with another
// one (a serialization failure or a deadlock), it is rolled back and fn runs again,
// five times at most. So fn must do nothing outside the transaction that may
// not happen twice, and must set, not add to, what it leaves in variables
// around it. It must return the errors of its queries, wrapped or not.
//
// A lost connection is a [fault.Unavailable]; when it was lost during commit,
// the transaction may have been committed all the same.
func InTx(ctx context.Context, pool DB, fn func(pgx.Tx) error) error {
	return inTx(ctx, pool, pgx.TxOptions{}, fn)
}

// InReadTx is InTx for a function that only reads, and whose reads must agree
// with each other: all see the database as it was at the first of them.
func InReadTx(ctx context.Context, pool DB, fn func(pgx.Tx) error) error {
	return inTx(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

func inTx(ctx context.Context, pool DB, options pgx.TxOptions, fn func(pgx.Tx) error) error {
	var err error
	for attempt := range attempts {
		if err = pgx.BeginTxFunc(ctx, pool, options, fn); !collided(err) {
			break
		}
		if waitErr := backOff(ctx, attempt); waitErr != nil {
			break
		}
	}
	return Fault(err, nil)
}
