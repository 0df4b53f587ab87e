package admission

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// WhenAlone says what a broker does that has no contact with control.
type WhenAlone string

// The policies.
const (
	ServeLastKnown WhenAlone = "serve-last-known" // let in by what is stored, if control has confirmed it recently enough
	Refuse         WhenAlone = "refuse"
)

// Contact is how a broker stands with control.
type Contact struct {
	HeardAt time.Time // when control last said something; zero: never since the start
	// ConfirmedAt is when control last said something by which the broker is up
	// to date, everything until then being in force; zero: never since the start.
	ConfirmedAt time.Time
}

// Gate is shut for tenants until the broker is up to date with control, and
// after that whenever it is not, beyond some seconds. If the reason for that is that control is not there, the policy decides.
//
// No clock that is set wrongly, then or now, makes it open: how long control is
// silent is measured by a clock that nobody sets, how old a confirmation is by
// that and the wall's, whichever says more, and one from the future counts for
// nothing.
type Gate struct {
	policy     WhenAlone
	maxAge     time.Duration
	aloneAfter time.Duration
	contact    func() Contact
	last       time.Time // the last confirmation before the start; zero: never

	mu     sync.Mutex
	awake  time.Time // since when the process has run without a pause
	beatAt time.Time
}

const (
	// silence is how long control may say nothing while it is there: its heads
	// come every two seconds.
	silence = 10 * time.Second
	// pause is how long Beat may be late before it counts as the process, or the
	// machine, having been stopped.
	pause = 5 * time.Second
)

// NewGate makes a gate that is shut. last is when control confirmed what is
// stored before the start. Beat must be called every second.
func NewGate(policy WhenAlone, maxAge, aloneAfter time.Duration, last time.Time, contact func() Contact) *Gate {
	now := time.Now()
	return &Gate{policy: policy, maxAge: maxAge, aloneAfter: aloneAfter, last: last, contact: contact, awake: now, beatAt: now}
}

// Beat tells the gate that the process runs. After a pause, in which anything may
// have been revoked, it is shut as after a start.
func (g *Gate) Beat() {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if elapsed(g.beatAt, now) > pause {
		g.awake = now
	}
	g.beatAt = now
}

// Err is nil when the gate is open, else it says why not.
func (g *Gate) Err() error {
	now := time.Now()
	g.mu.Lock()
	awake, beatAt := g.awake, g.beatAt
	g.mu.Unlock()
	c := g.contact()
	patience := max(silence, g.aloneAfter)
	alone := now.Sub(latest(awake, c.HeardAt))
	switch {
	case elapsed(beatAt, now) > pause:
		return errors.New("the broker was paused")
	case c.ConfirmedAt.After(awake) && now.Sub(c.ConfirmedAt) <= patience:
		return nil
	case c.HeardAt.After(awake) && alone <= patience:
		return errors.New("the broker is catching up with control")
	case alone <= g.aloneAfter:
		return errors.New("the broker waits for control")
	case g.policy == Refuse:
		return errors.New("control cannot be reached, and the policy is to refuse")
	}
	return g.lastKnown(c.ConfirmedAt, now)
}

func (g *Gate) lastKnown(confirmed, now time.Time) error {
	if confirmed.IsZero() {
		confirmed = g.last
	}
	switch age := elapsed(confirmed, now); {
	case confirmed.IsZero():
		return errors.New("control cannot be reached, and has never confirmed what is stored")
	case now.Before(confirmed):
		return fmt.Errorf("control cannot be reached, and what is stored was confirmed in the future, at %s: is the clock right?", confirmed.UTC().Format(time.RFC3339))
	case age > g.maxAge:
		return fmt.Errorf("control cannot be reached, and what is stored was confirmed %s ago, which is more than %s", age.Round(time.Second), g.maxAge)
	}
	return nil
}

// elapsed is the time between two readings, by the wall clock or by the one that
// nobody sets, whichever says more.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
