package resolver

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// A cluster can fall apart while control reaches all of it: its brokers lose
// each other, and one connection then leads to some of them only. Every broker
// that hears a head sends its receipt to whoever announced it. So a link knows whom it
// reaches, and the hub makes a link of its own to each broker that the link to
// its cluster does not reach, until that does again.

// missingAfter is how long a broker may leave heads unanswered before it counts
// as not reached.
const missingAfter = 2*headEvery + headEvery/2

// takeRollCall takes a broker's answer to a head.
func (l *link) takeRollCall(ctx context.Context, m *nats.Msg) {
	var r Receipt
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return // nobody is there, which an empty message says
	}
	l.note(r.Broker)
	if m.Reply != "" {
		l.answerHead(ctx, m)
	}
	l.keep(ctx, r)
}

// answerHead tells a broker what the head is now: the one that it has just
// heard may be old.
func (l *link) answerHead(ctx context.Context, m *nats.Msg) {
	head, err := l.hub.source.Head(ctx, l.OperatorID)
	if err != nil {
		l.fail("read the operator's revision", err)
		return
	}
	l.respond(m, "", mustJSON(headMessage{Replica: l.hub.id, Revision: head}))
}

// note remembers that the link reaches a broker.
func (l *link) note(broker string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, member := l.Brokers[broker]; member {
		l.reach(broker)
	}
}

// reach needs mu.
func (l *link) reach(broker string) {
	if l.reached == nil {
		l.reached = map[string]time.Time{}
	}
	l.reached[broker] = time.Now()
}

// admit makes those the members of the link's cluster. A new one has had no head
// to answer yet, so it counts as reached for now. Needs mu.
func (l *link) admit(brokers map[string]string) {
	for broker := range brokers {
		if _, member := l.Brokers[broker]; !member {
			l.reach(broker)
		}
	}
	l.Brokers = brokers
}

// missing are the members of the link's cluster that it has not reached for a
// while, with their URLs. While it is not connected, that says nothing of them.
func (l *link) missing() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.state.Connected || time.Since(l.state.Since) < missingAfter || len(l.Brokers) < 2 {
		return nil
	}
	missing := maps.Clone(l.Brokers)
	maps.DeleteFunc(missing, func(broker, _ string) bool { return time.Since(l.reached[broker]) < missingAfter })
	return missing
}

// apart are the brokers that the links to their clusters do not reach, each as
// a cluster of one.
func (h *Hub) apart(clusters []Membership) []Membership {
	h.mu.Lock()
	defer h.mu.Unlock()
	var apart []Membership
	for _, m := range clusters {
		l := h.links[m.key()]
		if l == nil {
			continue
		}
		missing := l.missing()
		for _, broker := range slices.Sorted(maps.Keys(missing)) {
			apart = append(apart, Membership{OperatorID: m.OperatorID, Cluster: broker, URLs: []string{missing[broker]}, Roots: m.Roots, TLSFirst: m.TLSFirst, System: m.System, Login: m.Login})
		}
	}
	return apart
}
