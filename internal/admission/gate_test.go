package admission

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// beating makes a gate that beats until the test ends, over a contact that the test sets.
func beating(t *testing.T, policy WhenAlone, last time.Time) (*Gate, *Contact) {
	t.Helper()
	contact := new(Contact)
	g := NewGate(policy, time.Hour, 5*time.Second, last, func() Contact { return *contact })
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				g.Beat()
			case <-stop:
				return
			}
		}
	}()
	return g, contact
}

func mustBeOpen(t *testing.T, g *Gate, when string) {
	t.Helper()
	if err := g.Err(); err != nil {
		t.Errorf("%s the gate is shut: %v", when, err)
	}
}

func mustBeShut(t *testing.T, g *Gate, when, why string) {
	t.Helper()
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%s the gate says %v, want that %s", when, err, why)
	}
}

// after lets time pass. Within synctest that is exact, and takes none.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestGateOpensWhenControlHasConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, contact := beating(t, ServeLastKnown, time.Now().Add(-time.Minute))
		mustBeShut(t, g, "at the start", "waits for control")
		after(4 * time.Second)
		contact.HeardAt = time.Now()
		mustBeShut(t, g, "when control is there", "catching up")
		after(8 * time.Second)
		mustBeShut(t, g, "however long that takes", "catching up")
		contact.HeardAt, contact.ConfirmedAt = time.Now(), time.Now()
		mustBeOpen(t, g, "when caught up")
	})
}

func TestGateServesWhatIsKnownWhileControlIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, contact := beating(t, ServeLastKnown, time.Now().Add(-59*time.Minute))
		after(5 * time.Second)
		mustBeShut(t, g, "after five seconds", "waits for control")
		after(time.Second)
		mustBeOpen(t, g, "after six seconds alone")
		after(55 * time.Second)
		mustBeShut(t, g, "when the confirmation is older than an hour", "more than 1h")

		contact.HeardAt, contact.ConfirmedAt = time.Now(), time.Now()
		mustBeOpen(t, g, "when control is there")
		after(30 * time.Second)
		mustBeOpen(t, g, "when control went away again")
		after(time.Hour)
		mustBeShut(t, g, "an hour later", "more than 1h")
	})
}

func TestGateThatRefusesWithoutControl(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, contact := beating(t, Refuse, time.Now())
		after(time.Minute)
		mustBeShut(t, g, "alone", "policy")
		contact.HeardAt, contact.ConfirmedAt = time.Now(), time.Now()
		mustBeOpen(t, g, "when control is there")
		after(silence)
		mustBeOpen(t, g, "in a short silence")
		after(time.Second)
		mustBeShut(t, g, "in a long silence", "policy")
	})
}

func TestGateIsShutWhileControlIsThereAndNothingCanBeApplied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, contact := beating(t, ServeLastKnown, time.Now())
		contact.HeardAt, contact.ConfirmedAt = time.Now(), time.Now()
		for range 10 {
			after(2 * time.Second)
			contact.HeardAt = time.Now()
		}
		mustBeShut(t, g, "behind for twenty seconds", "catching up")
	})
}

// What was revoked while the process was stopped must be heard of first.
func TestGateIsShutAfterAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		contact := Contact{HeardAt: time.Now(), ConfirmedAt: time.Now()}
		g := NewGate(ServeLastKnown, time.Hour, 5*time.Second, time.Now(), func() Contact { return contact })
		after(time.Minute) // nobody beats
		mustBeShut(t, g, "before the first beat", "paused")
		g.Beat()
		mustBeShut(t, g, "after it", "waits for control")
		after(time.Second)
		g.Beat()
		contact.HeardAt, contact.ConfirmedAt = time.Now(), time.Now()
		mustBeOpen(t, g, "when control has confirmed again")
	})
}

func TestGateDoesNotTrustAConfirmationFromTheFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, last := range map[string]time.Time{"is the clock right": time.Now().Add(time.Hour), "never": {}} {
			g, _ := beating(t, ServeLastKnown, last.Round(0))
			after(6 * time.Second)
			mustBeShut(t, g, "alone", name)
		}
	})
}
