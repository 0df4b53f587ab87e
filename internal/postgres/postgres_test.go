package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

// setup returns a pool on a database with the table notes.
func setup(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := pgtest.New(t)
	exec(t, pool, `
CREATE TABLE notes (
  id bigint CONSTRAINT notes_pkey PRIMARY KEY,
  body text NOT NULL CONSTRAINT notes_body_short CHECK (length(body) < 10)
)`)
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func insert(ctx context.Context, tx pgx.Tx, id int, body string) error {
	_, err := tx.Exec(ctx, "INSERT INTO notes (id, body) VALUES ($1, $2)", id, body)
	return err
}

func notes(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTransactionIsCommittedWhenTheFunctionSucceeds(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	err := postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error { return insert(t.Context(), tx, 1, "one") })
	if err != nil {
		t.Fatal(err)
	}
	if got := notes(t, pool); got != 1 {
		t.Errorf("%d notes after a transaction that made one", got)
	}
}

func TestTransactionIsRolledBack(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	t.Run("when the function fails", func(t *testing.T) {
		t.Parallel()
		pool := setup(t)
		err := postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			return errors.Join(insert(t.Context(), tx, 1, "one"), boom)
		})
		if !errors.Is(err, boom) {
			t.Errorf("error = %v, want the function's own", err)
		}
		if got := notes(t, pool); got != 0 {
			t.Errorf("%d notes are left of a failed transaction", got)
		}
	})
	t.Run("when the function panics, which goes on", func(t *testing.T) {
		t.Parallel()
		pool := setup(t)
		func() {
			defer func() {
				if got := recover(); got != any(boom) {
					t.Errorf("recovered %v, want %v", got, boom)
				}
			}()
			_ = postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
				if err := insert(t.Context(), tx, 1, "one"); err != nil {
					t.Error(err)
				}
				panic(boom)
			})
		}()
		if got := notes(t, pool); got != 0 {
			t.Errorf("%d notes are left of a transaction that panicked", got)
		}
		if got := pool.Stat().AcquiredConns(); got != 0 {
			t.Errorf("%d connections are still in use", got)
		}
	})
}

func TestDeadlockedTransactionRunsAgain(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	exec(t, pool, "INSERT INTO notes (id, body) VALUES (1, ''), (2, '')")
	touch := func(ctx context.Context, tx pgx.Tx, id int) error {
		_, err := tx.Exec(ctx, "UPDATE notes SET body = body || '.' WHERE id = $1", id)
		return err
	}
	group, ctx := errgroup.WithContext(t.Context())
	firstLocks := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	var runs [2]int
	for i := range 2 {
		group.Go(func() error {
			return postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
				runs[i]++
				if err := touch(ctx, tx, 1+i); err != nil {
					return err
				}
				if runs[i] == 1 { // hold one row each before wanting the other's
					close(firstLocks[i])
					<-firstLocks[1-i]
				}
				return touch(ctx, tx, 2-i)
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("a deadlock came through: %v", err)
	}
	if runs[0]+runs[1] < 3 {
		t.Errorf("runs = %v: there was no deadlock", runs)
	}
	var bodies string
	if err := pool.QueryRow(t.Context(), "SELECT string_agg(body, ' ' ORDER BY id) FROM notes").Scan(&bodies); err != nil {
		t.Fatal(err)
	}
	if bodies != ".. .." {
		t.Errorf("bodies = %q, want both transactions once on both rows", bodies)
	}
}

func TestTransactionThatAlwaysCollidesIsGivenUp(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	runs := 0
	err := postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		runs++
		_, err := tx.Exec(t.Context(), "DO $$ BEGIN RAISE serialization_failure; END $$")
		return err
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "40001" || runs != 5 {
		t.Errorf("after %d runs: %v; want the collision itself after 5", runs, err)
	}
}

func TestReadTransactionSeesOneMomentAndCannotWrite(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	err := postgres.InReadTx(t.Context(), pool, func(tx pgx.Tx) error {
		var before, after int
		if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&before); err != nil {
			return err
		}
		exec(t, pool, fmt.Sprintf("INSERT INTO notes (id, body) VALUES (%d, 'new')", before+1))
		if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&after); err != nil {
			return err
		}
		if before != after {
			t.Errorf("saw %d notes, then %d", before, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = postgres.InReadTx(t.Context(), pool, func(tx pgx.Tx) error { return insert(t.Context(), tx, 9, "nine") })
	if err == nil {
		t.Error("a read transaction wrote")
	}
}

func TestViolatedConstraintBecomesItsFault(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	exec(t, pool, "INSERT INTO notes (id, body) VALUES (1, 'secret')")
	faults := map[string]*fault.Error{
		"notes_pkey":       fault.New(fault.Conflict, "there is such a note"),
		"notes_body_short": fault.Field("/body", "too long"),
	}
	for _, c := range []struct {
		name, body string
		id         int
		constraint string
		want       error
	}{
		{"unique", "x", 1, "notes_pkey", fault.Conflict},
		{"check", "much too long", 2, "notes_body_short", fault.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
				return fmt.Errorf("insert note: %w", insert(t.Context(), tx, c.id, c.body))
			})
			if got := postgres.Constraint(err); got != c.constraint {
				t.Errorf("constraint = %q, want %q", got, c.constraint)
			}
			got := postgres.Fault(err, faults)
			if !errors.Is(got, c.want) || !errors.Is(got, err) {
				t.Errorf("fault = %v, want %v with its cause", got, c.want)
			}
			if strings.Contains(got.Error(), "secret") || strings.Contains(got.Error(), "much too long") {
				t.Errorf("the error tells a value: %v", got)
			}
			if faults[c.constraint].Cause != nil {
				t.Error("the map's own fault was changed")
			}
		})
	}
}

func TestOtherErrorsComeBackAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		nil,
		errors.New("boom"),
		context.Canceled,
		context.DeadlineExceeded,
		pgx.ErrNoRows,
		fault.New(fault.NotFound, "no such note"),
		&pgconn.PgError{Code: "23505", ConstraintName: "unknown_key"},
	} {
		if got := postgres.Fault(err, map[string]*fault.Error{"other": fault.New(fault.Conflict, "other")}); got != err {
			t.Errorf("Fault(%v) = %v", err, got)
		}
	}
}

func TestTimesComeBackInUTC(t *testing.T) {
	t.Parallel()
	var at time.Time
	if err := pgtest.New(t).QueryRow(t.Context(), "SELECT timestamptz '2024-01-02 03:04:05+06'").Scan(&at); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2024, 1, 1, 21, 4, 5, 0, time.UTC); at != want {
		t.Errorf("time = %v, want %v", at, want)
	}
}

func TestConnectionsHaveLimitsThatTheURLOverrides(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	for _, c := range []struct{ more, want string }{
		{"", "signalbox 30s 10s 1min"},
		{"&application_name=other&statement_timeout=7s", "other 7s 10s 1min"},
		{"&pool_max_conns=3", "signalbox 30s 10s 1min"},
	} {
		if err := postgres.Migrate(t.Context(), url+c.more); err != nil {
			t.Fatal(err)
		}
		pool, err := postgres.Open(t.Context(), url+c.more)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		var got string
		const query = `SELECT concat_ws(' ', current_setting('application_name'), current_setting('statement_timeout'),
  current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'))`
		if err := pool.QueryRow(t.Context(), query).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("with %q: settings = %q, want %q", c.more, got, c.want)
		}
	}
}

func TestOpenRefusesAtOnceWhatWillNotGetBetter(t *testing.T) {
	t.Parallel()
	if _, err := postgres.Open(t.Context(), pgtest.Empty(t)+"&dbname=absent"); err == nil || errors.Is(err, fault.Unavailable) {
		t.Errorf("open an absent database: %v, want a refusal", err)
	}
	_, err := postgres.Open(t.Context(), "postgres://user:hunter2@[bad/db")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("open a malformed URL: %v, want an error without the password", err)
	}
}

func TestLostServerIsUnavailableUntilItIsBack(t *testing.T) {
	t.Parallel()
	server := pgtest.Private(t)
	pool, err := postgres.Open(t.Context(), server.URLFor(pgtest.Migrated))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	ping := func() error {
		return postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "SELECT 1")
			return err
		})
	}
	err = postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		_, err := tx.Exec(t.Context(), "SELECT 1")
		return err
	})
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("server killed in a transaction: %v, want Unavailable", err)
	}
	if err := ping(); !errors.Is(err, fault.Unavailable) {
		t.Errorf("server away: %v, want Unavailable", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := postgres.Open(short, server.URL()); !errors.Is(err, fault.Unavailable) {
		t.Errorf("open while the server is away: %v, want Unavailable", err)
	}
	var waiting errgroup.Group
	waiting.Go(func() error {
		late, err := postgres.Open(t.Context(), server.URL())
		if err == nil {
			late.Close()
		}
		return err
	})
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Wait(); err != nil {
		t.Errorf("open before the server was up: %v", err)
	}
	if err := ping(); err != nil {
		t.Errorf("the pool did not recover: %v", err)
	}
}
