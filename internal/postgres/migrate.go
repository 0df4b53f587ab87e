package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	pgxmigrate "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/signalbox-io/signalbox/migrations"
)

// migrationLock is the advisory lock that one Migrate at a time holds. The
// number means nothing, it only must not be used for anything else.
const migrationLock = 7_366_452_801

// Migrate brings the database's schema up to date. Any number of replicas may
// call it at the same time: one works, the others wait for it, and find
// nothing left to do. A migration that is interrupted, by whatever means,
// has not happened and runs again next time. A schema newer than this binary is an error. It waits for a server that is not up yet, as Open does.
func Migrate(ctx context.Context, url string) error {
	return migrateTo(ctx, url, (*migrate.Migrate).Up)
}

// migrateTo lets step do its work while no one else migrates.
func migrateTo(ctx context.Context, url string, step func(*migrate.Migrate) error) (err error) {
	pool, err := pgxpool.ParseConfig(url) // which takes the pool's settings out of the URL
	if err != nil {
		return badURL(err)
	}
	config := pool.ConnConfig
	limit(config)
	config.RuntimeParams["statement_timeout"] = "0" // a backfill takes what it takes; lock_timeout keeps it from blocking others
	var gate *pgx.Conn
	err = await(ctx, func(ctx context.Context) (err error) {
		gate, err = pgx.ConnectConfig(ctx, config)
		return err
	})
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { err = errors.Join(err, gate.Close(context.WithoutCancel(ctx))) }() // which gives up the lock
	// golang-migrate takes a lock too, but its wait heeds no context and fails after 15 seconds.
	if err := wait(ctx, gate); err != nil {
		return fmt.Errorf("wait for another replica's migration: %w", Fault(err, nil))
	}
	if err := apply(config, step); err != nil {
		return fmt.Errorf("migrate the database: %w", Fault(err, nil))
	}
	return nil
}

func wait(ctx context.Context, gate *pgx.Conn) error {
	if _, err := gate.Exec(ctx, "SET lock_timeout = 0"); err != nil {
		return err
	}
	_, err := gate.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock))
	return err
}

func apply(config *pgx.ConnConfig, step func(*migrate.Migrate) error) (err error) {
	source, err := iofs.New(migrations.FS, ".")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	db := stdlib.OpenDB(*config)
	driver, err := pgxmigrate.WithInstance(db, &pgxmigrate.Config{})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	m, err := migrate.NewWithInstance("iofs", source, "pgx5", &whole{Driver: driver})
	if err != nil {
		return errors.Join(err, driver.Close())
	}
	defer func() {
		sourceErr, driverErr := m.Close()
		err = errors.Join(err, sourceErr, driverErr)
	}()
	if err := fits(m, source); err != nil {
		return err
	}
	if err := step(m); err != nil && !errors.Is(err, migrate.ErrNoChange) {
		return err
	}
	return nil
}

// fits makes sure that the schema is one that this binary's migrations can
// start from.
func fits(m *migrate.Migrate, source interface {
	First() (uint, error)
	Next(uint) (uint, error)
}) error {
	version, dirty, err := m.Version()
	if errors.Is(err, migrate.ErrNilVersion) {
		return nil
	}
	if err != nil {
		return err
	}
	if dirty {
		return fmt.Errorf("migration %d was interrupted by another tool: see whether the database has what it makes, "+
			"then set schema_migrations to (%d, false) if so, or to the version before if not", version, version)
	}
	newest, err := source.First()
	for next := newest; err == nil; next, err = source.Next(newest) {
		newest = next
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if version > newest {
		return fmt.Errorf("the database is at version %d and this binary knows versions up to %d: run a newer binary", version, newest)
	}
	return nil
}

// whole writes the new version in the migration's own transaction.
// golang-migrate marks the database dirty, migrates, and marks it clean, so a
// process killed in between leaves it to a person to find out what happened.
type whole struct {
	database.Driver
	next int // the version that the migration about to run leads to
}

func (w *whole) SetVersion(version int, dirty bool) error {
	if dirty {
		w.next = version
		return nil
	}
	return w.Driver.SetVersion(version, false) // once more: a migration without a file has no transaction
}

func (w *whole) Run(migration io.Reader) error {
	text, err := io.ReadAll(migration)
	if err != nil {
		return fmt.Errorf("read migration: %w", err)
	}
	steps, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "\nCOMMIT;")
	if !ok {
		return errors.New("the migration does not end with COMMIT")
	}
	steps += "\nTRUNCATE " + pgxmigrate.DefaultMigrationsTable + ";\n"
	if w.next != database.NilVersion {
		steps += fmt.Sprintf("INSERT INTO %s (version, dirty) VALUES (%d, false);\n", pgxmigrate.DefaultMigrationsTable, w.next)
	}
	if err := w.Driver.Run(strings.NewReader(steps + "COMMIT;")); err != nil {
		return errors.Join(err, w.Driver.Run(strings.NewReader("ROLLBACK")))
	}
	return nil
}
