package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
	"github.com/signalbox-io/signalbox/migrations"
)

var update = flag.Bool("update", false, "rewrite migrations/schema.sql")

const schemaFile = "../../migrations/schema.sql"

func TestSchemaAfterUpDownUpIsTheCommittedOne(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	empty := dump(t, url)
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatalf("up: %v", err)
	}
	first := dump(t, url)
	if err := postgres.MigrateTo(t.Context(), url, (*migrate.Migrate).Down); err != nil {
		t.Fatalf("down: %v", err)
	}
	if diff := cmp.Diff(empty, dump(t, url)); diff != "" {
		t.Errorf("going down leaves something behind (-empty +down):\n%s", diff)
	}
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatalf("up again: %v", err)
	}
	got := dump(t, url)
	if diff := cmp.Diff(first, got); diff != "" {
		t.Errorf("up, down, up leads elsewhere than up (-first +second):\n%s", diff)
	}
	if *update {
		if err := os.WriteFile(schemaFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./internal/postgres -run TestSchema -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("schema.sql is not what the migrations make (-committed +made); "+
			"rewrite it with: go test ./internal/postgres -run TestSchema -update\n%s", diff)
	}
}

func TestSchemaMigrationsAreNumberedOnceAndReversible(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range misnamed(names) {
		t.Error(problem)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		if name != filepath.Base(schemaFile) && !inTransaction.Match(text) {
			t.Errorf("%s is not one transaction from BEGIN to COMMIT", name)
		}
	}
}

func TestSchemaMigrationsWithOneNumberOrNoWayBackAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names []string
		want  int
	}{
		{[]string{"000001_a.up.sql", "000001_a.down.sql", "schema.sql"}, 0},
		{[]string{"000001_a.up.sql", "000001_a.down.sql", "000001_b.up.sql", "000001_b.down.sql"}, 1},
		{[]string{"000001_a.up.sql"}, 1},
		{[]string{"000001_a.up.sql", "000001_a.down.sql", "000002_b.down.sql"}, 1},
		{[]string{"1_a.up.sql", "1_a.down.sql"}, 2},
		{[]string{"000001_a.sql"}, 1},
	} {
		if got := misnamed(c.names); len(got) != c.want {
			t.Errorf("misnamed(%v) = %q, want %d problems", c.names, got, c.want)
		}
	}
}

var (
	migrationName = regexp.MustCompile(`^(\d{6})_([a-z0-9_]+)\.(up|down)\.sql$`)
	inTransaction = regexp.MustCompile(`(?s)^(--[^\n]*\n|\s)*BEGIN;.*\nCOMMIT;\s*$`)
)

// misnamed says what is wrong with the set of file names.
func misnamed(names []string) []string {
	var problems []string
	ways := map[string]map[string]string{} // number -> name -> "up", "down" or both
	for _, name := range names {
		if name == filepath.Base(schemaFile) {
			continue
		}
		m := migrationName.FindStringSubmatch(name)
		if m == nil {
			problems = append(problems, name+" is not called NNNNNN_name.up.sql or .down.sql")
			continue
		}
		if ways[m[1]] == nil {
			ways[m[1]] = map[string]string{}
		}
		ways[m[1]][m[2]] += m[3]
	}
	for _, number := range slices.Sorted(maps.Keys(ways)) {
		steps := slices.Sorted(maps.Keys(ways[number]))
		if len(steps) > 1 {
			problems = append(problems, fmt.Sprintf("migrations %v share the number %s", steps, number))
		}
		for _, step := range steps {
			if way := ways[number][step]; way == "up" || way == "down" {
				problems = append(problems, fmt.Sprintf("migration %s_%s has only its %s file", number, step, way))
			}
		}
	}
	return problems
}

// parts of a schema, each a query for one column of text, in the order of the dump.
var parts = []struct{ heading, query string }{
	{"Functions", `
SELECT pg_get_functiondef(p.oid) || ';'
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
ORDER BY p.oid::regprocedure::text`},
	{"Types", `
SELECT format('CREATE TYPE %I AS ENUM (%s);', t.typname, string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder))
FROM pg_type t
JOIN pg_enum e ON e.enumtypid = t.oid
WHERE t.typnamespace = 'public'::regnamespace
GROUP BY t.typname
ORDER BY t.typname`},
	{"Domains", `
SELECT format('CREATE DOMAIN %I AS %s', t.typname, format_type(t.typbasetype, t.typtypmod))
  || COALESCE(' DEFAULT ' || t.typdefault, '')
  || COALESCE((
    SELECT string_agg(format(' CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), '' ORDER BY k.conname)
    FROM pg_constraint k
    WHERE k.contypid = t.oid), '') || ';'
FROM pg_type t
WHERE t.typnamespace = 'public'::regnamespace AND t.typtype = 'd'
ORDER BY t.typname`},
	{"Sequences", `
SELECT format('CREATE SEQUENCE %I AS %s START %s INCREMENT %s;', c.relname, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement)
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
WHERE c.relnamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i')
ORDER BY c.relname`},
	{"Tables", `
WITH lines AS (
  SELECT a.attrelid AS rel, 1 AS section, lpad(a.attnum::text, 5) AS place,
    format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
      || CASE WHEN a.attcollation NOT IN (0, (SELECT typcollation FROM pg_type WHERE oid = a.atttypid))
         THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END
      || CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' ELSE '' END
      || CASE WHEN a.attgenerated <> '' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
         ELSE COALESCE(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') END
      || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END AS line
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT conrelid, 2, contype::text || conname, format('CONSTRAINT %I %s', conname, pg_get_constraintdef(oid))
  FROM pg_constraint
  WHERE contype IN ('p', 'u', 'f', 'c', 'x')
)
SELECT format(E'CREATE TABLE %I (\n%s\n);', c.relname, string_agg('  ' || l.line, E',\n' ORDER BY l.section, translate(l.place, 'pufcx', '12345')))
FROM pg_class c
JOIN lines l ON l.rel = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
GROUP BY c.relname
ORDER BY c.relname`},
	{"Views", `
SELECT format(E'CREATE VIEW %I AS\n%s', c.relname, pg_get_viewdef(c.oid))
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm')
ORDER BY c.relname`},
	{"Indexes", `
SELECT pg_get_indexdef(i.indexrelid) || ';'
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname`},
	{"Triggers", `
SELECT pg_get_triggerdef(t.oid) || ';'
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
ORDER BY c.relname, t.tgname`},
	{"Comments", `
SELECT CASE
  WHEN d.objsubid > 0 THEN format('COMMENT ON COLUMN %I.%I IS %L;', c.relname, a.attname, d.description)
  ELSE format('COMMENT ON %s %I IS %L;', CASE c.relkind WHEN 'i' THEN 'INDEX' WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname, d.description)
END
FROM pg_description d
JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
WHERE c.relnamespace = 'public'::regnamespace
ORDER BY c.relname, d.objsubid`},
	{"Comments on constraints", `
SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L;', k.conname, k.conrelid::regclass, d.description)
FROM pg_description d
JOIN pg_constraint k ON k.oid = d.objoid AND d.classoid = 'pg_constraint'::regclass
WHERE k.connamespace = 'public'::regnamespace
ORDER BY k.conrelid::regclass::text, k.conname`},
}

const schemaHeading = `-- What the migrations add up to, for reading. Written by
-- go test ./internal/postgres -run TestSchema -update
`

// dump describes the schema in the same way on every version of Postgres.
// The table of golang-migrate is left out: it is not in the migrations.
func dump(t *testing.T, url string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var out strings.Builder
	out.WriteString(schemaHeading)
	for _, part := range parts {
		rows, err := conn.Query(t.Context(), part.query)
		if err != nil {
			t.Fatalf("%s: %v", part.heading, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", part.heading, err)
		}
		found = slices.DeleteFunc(found, func(s string) bool { return strings.HasPrefix(s, "CREATE TABLE schema_migrations (") })
		if len(found) > 0 {
			fmt.Fprintf(&out, "\n-- %s\n\n%s\n", part.heading, strings.Join(found, separator(part.heading)))
		}
	}
	return out.String()
}

// separator puts a blank line between what takes more than one.
func separator(heading string) string {
	if slices.Contains([]string{"Functions", "Tables", "Views"}, heading) {
		return "\n\n"
	}
	return "\n"
}
