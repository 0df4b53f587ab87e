// Package migrations holds the schema of the control plane's database, as the
// steps that lead to it. NNNNNN_name.up.sql makes a step and
// NNNNNN_name.down.sql takes it back; each runs in a transaction of its own,
// and is safe while binaries of the version before still work. Steps are only ever added.
// schema.sql is what they add up to, written by the test that checks it.
//
// [github.com/signalbox-io/signalbox/internal/postgres.Migrate] applies them.
package migrations

import "embed"

// FS holds the .sql files.
//
//go:embed *.sql
var FS embed.FS
