package resolver

import (
	"testing"
	"testing/synctest"
	"time"
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
