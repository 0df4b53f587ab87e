package resolver

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-io/signalbox/internal/lease"
)

// What control says after a silence may have been waiting on the way: for a
// process that was paused, or for a network that was cut. It says nothing of now.
func TestAfterASilenceOnlyAnAnswerConfirms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &Follower{changed: make(chan struct{})}
		hear := func() {
			f.update(func(p *Progress) { p.Applied, p.Head, p.HeardAt, p.CaughtUp = 7, 7, time.Now(), true })
		}
		wantConfirmed := func(when string, at time.Time) {
			t.Helper()
			if p, _ := f.Progress(); !p.ConfirmedAt.Equal(at) {
				t.Errorf("%s: confirmed at %v, want %v", when, p.ConfirmedAt, at)
			}
		}
		hear()
		wantConfirmed("at the start", time.Now())
		time.Sleep(headEvery)
		hear()
		confirmed := time.Now()
		wantConfirmed("by the next head", confirmed)

		before := time.Now()
		time.Sleep(time.Minute)
		hear()
		wantConfirmed("by what comes first after a minute", confirmed)
		f.believe(before)
		wantConfirmed("by an answer to what was asked before", confirmed)
		hear()
		if wantConfirmed("by what comes next", confirmed); !f.doubts() {
			t.Error("the follower sees nothing to ask about")
		}
		asked := time.Now()
		time.Sleep(time.Second)
		hear()
		f.believe(asked)
		if wantConfirmed("by an answer", time.Now()); f.doubts() {
			t.Error("the follower goes on asking")
		}
		time.Sleep(headEvery)
		hear()
		wantConfirmed("by heads from then on", time.Now())
	})
}

// Whoever reads the log learns why receipts say less than is in force, once, and never that more is proven than applied.
func TestReceiptsThatWaitForPlacesAreProvenOnceControlAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		holder := lease.NewHolder("one", slog.New(slog.DiscardHandler))
		f := &Follower{changed: make(chan struct{}), holder: holder, log: slog.New(slog.NewTextHandler(&said, nil))}
		apply := func(revision, proven Revision) {
			t.Helper()
			f.update(func(p *Progress) { p.Applied = revision })
			if got := f.proven(); got != proven {
				t.Errorf("at %d proven is %d, want %d", revision, got, proven)
			}
		}
		apply(5, 5)
		holder.Adopt(lease.Claim{Key: lease.TypeKey("A", "MQTT"), Limit: 1}, nil)
		apply(6, 5)
		apply(7, 5)
		if f.noteUnproven(); said.Len() > 0 {
			t.Errorf("said at once: %s", &said)
		}
		time.Sleep(unprovenLong + time.Second)
		f.noteUnproven()
		f.noteUnproven()
		if n := strings.Count(said.String(), "level=WARN"); n != 1 || !strings.Contains(said.String(), "applied=7 proven=5") {
			t.Errorf("said %q, want one warning that names both revisions", &said)
		}
		apply(3, 3) // the store lost something
		apply(8, 3)

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			holder.Run(ctx, func(_ context.Context, q lease.Ask) (lease.Answer, error) {
				return lease.Answer{Grants: make([]lease.Grant, len(q.Wants))}, nil
			})
		}()
		<-f.provable()
		apply(8, 8)
		cancel()
		<-done
	})
}
