package lease

import (
	"context"
	"log/slog"
	"testing"
)

// BenchmarkReserve is what a counted login adds when the broker holds places.
func BenchmarkReserve(b *testing.B) {
	l := newLedger()
	l.limit(mqtt, 1_000_000)
	h := NewHolder("b1", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx, func(_ context.Context, q Ask) (Answer, error) {
			a, _ := l.answer(q)
			return a, nil
		})
	}()
	claim := Claim{Key: mqtt, Limit: 1_000_000}
	var id uint64
	for b.Loop() {
		id++
		c := &fakeConn{id: id}
		if err := h.Reserve(c, claim); err != nil {
			b.Fatal(err)
		}
		if id%1000 == 0 { // a thousand at a time
			for gone := id - 999; gone <= id; gone++ {
				h.Release(gone, claim)
			}
		}
	}
	cancel()
	<-done
}
