// Package pgtest gives each test a database of its own, on a real Postgres
// that it starts itself.
//
// The first call in a test process starts one server, without fsync, in a
// temporary folder; it ends and its folder goes when the process ends. Each
// database is a copy of one that has all migrations, and is dropped when its test
// is over, so tests neither see each other nor clean up. A server with the
// migrated database is kept in the user's cache folder, under the hash of
// migrations and Postgres version, so that only the first start after a change initialises and migrates.
//
// Nothing is skipped: where no Postgres can be found, tests fail with the
// command that installs one.
package pgtest

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/postgres/embedded"
)

// startLimit bounds the start of a server. It waits for a cold cache to be filled
// by another test process on a busy machine.
const startLimit = 2 * time.Minute

// New returns a pool on a migrated database that only this test uses. It is
// closed, and the database dropped, when the test is over.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), URL(t))
	if err != nil {
		t.Fatalf("open the test's database: %v", err)
	}
	t.Cleanup(pool.Close) // runs before the database is dropped
	return pool
}

// URL is New for code that connects by itself.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, "TEMPLATE "+migrated+" STRATEGY FILE_COPY")
}

// Empty is URL for a database without our schema.
func Empty(t testing.TB) string {
	t.Helper()
	return create(t, "TEMPLATE template0 STRATEGY FILE_COPY")
}

// Private returns a server that only this test uses and may stop, kill and
// restart. Its database "postgres" is empty; Migrated names one that has the schema.
func Private(t testing.TB) *embedded.Server {
	t.Helper()
	from, err := cached()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	s, err := embedded.Start(ctx, embedded.Options{Dir: filepath.Join(t.TempDir(), "data"), From: from, Fast: true})
	if err != nil {
		t.Fatalf("start the test's own postgres: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop the test's own postgres: %v", err)
		}
	})
	return s
}

// Migrated is the name of the database with all migrations on a Private server.
const Migrated = "signalbox"

// migrated is quoted, as it goes into SQL.
const migrated = `"` + Migrated + `"`

// shared is the server of this process. Nobody stops it: the tests of a
// package end without a word to us, and it ends with the process.
var shared = sync.OnceValues(func() (*embedded.Server, error) {
	from, err := cached()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	s, err := embedded.Start(ctx, embedded.Options{From: from, Fast: true, Temp: memory()})
	if err != nil {
		return nil, fmt.Errorf("start the tests' postgres: %w", err)
	}
	return s, nil
})

var count atomic.Int64 // of databases made

func create(t testing.TB, how string) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", count.Add(1))
	if err := administer(server, "CREATE DATABASE "+name+" "+how); err != nil {
		t.Fatalf("make the test's database: %v", err)
	}
	t.Cleanup(func() {
		if err := administer(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return server.URLFor(name)
}

// administer runs one statement beside all test databases.
func administer(server *embedded.Server, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
