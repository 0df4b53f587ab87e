package resolver

import (
	"fmt"
	"testing"
	"time"
)

func TestRefusedLoginsWaitToBeToldWithinBounds(t *testing.T) {
	t.Parallel()
	r := newRefused()
	at := time.Now()
	for account := range 100 {
		for way := range 2 * maxRefusedEach {
			r.note(RefusedLogin{Account: fmt.Sprint("A", account), Address: fmt.Sprint(way)}, "", at)
		}
	}
	if len(r.ways) != maxRefused {
		t.Fatalf("%d ways wait, want %d", len(r.ways), maxRefused)
	}
	again := RefusedLogin{Account: "A0", Address: "0"}
	r.note(again, "later", at.Add(time.Second))
	r.note(RefusedLogin{Account: "A0", Address: fmt.Sprint(maxRefusedEach)}, "", at)

	told := map[RefusedLogin]tally{}
	for len(r.ways) > 0 {
		<-r.news
		taken := r.take()
		if len(taken) == 0 || len(taken) > refusedAtOnce {
			t.Fatalf("took %d at once", len(taken))
		}
		for l, n := range taken {
			told[l] = n
		}
	}
	if got, want := told[again], (tally{"later", 2, at, at.Add(time.Second)}); got != want {
		t.Errorf("the one that happened twice: %+v, want %+v", got, want)
	}
	if _, over := told[RefusedLogin{Account: "A0", Address: fmt.Sprint(maxRefusedEach)}]; over || len(told) != maxRefused {
		t.Errorf("told %d ways, one too many of A0: %v", len(told), over)
	}
	if len(r.account) != 0 {
		t.Errorf("%d accounts still count", len(r.account))
	}
	select {
	case <-r.news:
		t.Error("there is news, and nothing to tell")
	default:
	}
}

func TestRefusedLoginsThatWereNotHeardAreAddedToWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRefused()
	at := time.Now()
	l := RefusedLogin{Account: "A", Reason: "credential_revoked"}
	r.note(l, "first", at)
	taken := r.take()
	r.note(l, "last", at.Add(time.Minute))
	for l, n := range taken {
		r.add(l, n)
	}
	if got, want := r.take()[l], (tally{"last", 2, at, at.Add(time.Minute)}); got != want {
		t.Errorf("tally = %+v, want %+v", got, want)
	}
}
