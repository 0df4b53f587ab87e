package pgtest_test

import (
	"testing"

	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

func TestEachTestHasItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	one, other := pgtest.New(t), pgtest.New(t)
	if _, err := one.Exec(t.Context(), "CREATE TABLE mine (n bigint)"); err != nil {
		t.Fatal(err)
	}
	var seen, migrated bool
	const look = "SELECT to_regclass('mine') IS NOT NULL, to_regclass('schema_migrations') IS NOT NULL"
	if err := other.QueryRow(t.Context(), look).Scan(&seen, &migrated); err != nil {
		t.Fatal(err)
	}
	if seen {
		t.Error("a test sees another test's table")
	}
	if !migrated {
		t.Error("a test's database has no schema")
	}
}
