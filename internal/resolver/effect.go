package resolver

import (
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

const maxEffects = 100 // in one receipt

// effects are those not reported yet; when there are too many the oldest go.
type effects struct {
	mu   sync.Mutex
	list []Effect
}

func (e *effects) note(effect Effect) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) == maxEffects {
		e.list = append(e.list[:0], e.list[1:]...)
	}
	e.list = append(e.list, effect)
}

func (e *effects) take() []Effect {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.list
	e.list = nil
	return list
}

// connectionsHere counts the account's clients and leaf nodes on this server.
func connectionsHere(a *server.Account) int {
	return a.NumLocalConnections() + a.NumLeafNodes() - a.NumRemoteLeafNodes()
}
