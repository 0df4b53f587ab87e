package pgtest_test

import (
	"testing"

	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

func BenchmarkNew(b *testing.B) {
	pgtest.New(b) // starts the server
	for b.Loop() {
		pgtest.New(b)
	}
}

func BenchmarkPrivate(b *testing.B) {
	for b.Loop() {
		pgtest.Private(b)
	}
}
