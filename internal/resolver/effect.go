package resolver

import (
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	maxEffects    = 100             // in one receipt
	repeatEffects = 2 * time.Second // receipts may overtake each other on the way: the first to arrive is to have them
)

// effects are those that go into receipts; when there are too many the oldest leave.
type effects struct {
	mu   sync.Mutex
	list []effect
}

type effect struct {
	Effect
	reported time.Time // when it was first; zero: not yet
}

func (e *effects) note(did Effect) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) == maxEffects {
		e.list = append(e.list[:0], e.list[1:]...)
	}
	e.list = append(e.list, effect{Effect: did})
}

// report returns what a receipt of now has to say.
func (e *effects) report(now time.Time) []Effect {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = slices.DeleteFunc(e.list, func(known effect) bool {
		return !known.reported.IsZero() && now.Sub(known.reported) > repeatEffects
	})
	var list []Effect
	for i := range e.list {
		if e.list[i].reported.IsZero() {
			e.list[i].reported = now
		}
		list = append(list, e.list[i].Effect)
	}
	return list
}

// connectionsHere counts the account's clients and leaf nodes on this server.
func connectionsHere(a *server.Account) int {
	return a.NumLocalConnections() + a.NumLeafNodes() - a.NumRemoteLeafNodes()
}
