package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

func TestReplicasThatStartAtOnceMigrateOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	group, ctx := errgroup.WithContext(t.Context())
	for range 8 {
		group.Go(func() error { return postgres.Migrate(ctx, url) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, want := dump(t, url), dump(t, pgtest.URL(t)); got != want {
		t.Errorf("schema differs from that of one migration:\n%s", got)
	}
}

func TestMigrateWaitsForTheOneAtWorkUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", postgres.MigrationLock); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- postgres.Migrate(ctx, url) }()
	awaitLockWaiter(t, url)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the context's", err)
	}
}

// awaitLockWaiter returns when a connection waits for an advisory lock.
func awaitLockWaiter(t *testing.T, url string) {
	t.Helper()
	conn := connect(t, url)
	const query = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
	for waiting := false; !waiting; {
		if err := conn.QueryRow(t.Context(), query).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMigrateRefusesASchemaItCannotStartFrom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, state, want string }{
		{"newer than the binary", "version = 999999", "run a newer binary"},
		{"left in doubt", "dirty = true", "was interrupted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			if _, err := connect(t, url).Exec(t.Context(), "UPDATE schema_migrations SET "+c.state); err != nil {
				t.Fatal(err)
			}
			before := dump(t, url)
			err := postgres.Migrate(t.Context(), url)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want one that says %q", err, c.want)
			}
			if dump(t, url) != before {
				t.Error("the schema was changed")
			}
		})
	}
}

func TestInterruptedMigrationRunsAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	// A table in the way lets the migration fail half-way.
	if _, err := conn.Exec(t.Context(), "CREATE TABLE feeds (in_the_way bigint)"); err != nil {
		t.Fatal(err)
	}
	before := dump(t, url)
	for range 2 {
		if err := postgres.Migrate(t.Context(), url); err == nil || !strings.Contains(err.Error(), `"feeds" already exists`) {
			t.Fatalf("migrate over a table in the way: %v", err)
		}
		if got := dump(t, url); got != before {
			t.Fatalf("a failed migration left something:\n%s", got)
		}
	}
	if _, err := conn.Exec(t.Context(), "DROP TABLE feeds"); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Errorf("migrate with the table out of the way: %v", err)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
