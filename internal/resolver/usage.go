package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
)

// Control asks every broker what an account uses there:
//
//	signalbox.usage  {"account":"A…"}  ->  a [Usage], from each
const SubjectUsage = "signalbox.usage"

type usageRequest struct {
	Account string `json:"account"`
}

// Usage is what an account uses on one broker.
type Usage struct {
	Broker      string               `json:"broker"`  // its public key
	Name        string               `json:"name"`    // the server's
	Cluster     string               `json:"cluster"` // empty: it stands alone
	Connections int64                `json:"connections"`
	LeafNodes   int64                `json:"leaf_nodes"`
	Types       map[string]TypeUsage `json:"types,omitempty"` // those with a connection or a place
	// JetStream is what the account uses in the broker's cluster, as far as this
	// broker knows; nil: it has none.
	JetStream *JetStreamUsage `json:"jetstream,omitempty"`
}

// TypeUsage is how many connections of a type there are, and places for them, if
// they are counted.
type TypeUsage struct {
	Used   int64 `json:"used"`
	Places int64 `json:"places"`
}

// JetStreamUsage is what JetStream stores for an account.
type JetStreamUsage struct {
	MemoryBytes int64                     `json:"memory_bytes"`
	DiskBytes   int64                     `json:"disk_bytes"`
	Streams     int64                     `json:"streams"`
	Consumers   int64                     `json:"consumers"`
	Tiers       map[string]JetStreamUsage `json:"tiers,omitempty"` // by name, such as R1; the account's limits are by tier then
}

// answerUsage answers for this broker.
func (f *Follower) answerUsage(m *nats.Msg) {
	var q usageRequest
	if f.usage == nil || m.Reply == "" || json.Unmarshal(m.Data, &q) != nil {
		return
	}
	u := f.usage(q.Account)
	u.Broker, u.Name, u.Cluster = f.broker, f.server.Name(), f.server.ClusterName()
	f.publish(&nats.Msg{Subject: m.Reply, Data: mustJSON(u)})
}

// Usage asks the operator's brokers what the account uses. It returns when expect
// brokers have answered or ctx ends, with the answers there are.
func (h *Hub) Usage(ctx context.Context, operatorID, account string, expect int) ([]Usage, error) {
	answers := make(chan *nats.Msg, 64)
	for _, l := range h.brokers() {
		if l.OperatorID != operatorID || !l.connected() {
			continue
		}
		sub, err := l.ask(SubjectUsage, mustJSON(usageRequest{Account: account}), answers)
		if err != nil {
			return nil, err
		}
		defer sub.Unsubscribe()
	}
	var all []Usage
	for len(all) < expect {
		select {
		case m := <-answers:
			var u Usage
			if len(m.Data) == 0 {
				continue // nobody is there
			}
			if err := json.Unmarshal(m.Data, &u); err != nil {
				return nil, fmt.Errorf("read what a broker says of an account's usage: %w", err)
			}
			if !slices.ContainsFunc(all, func(known Usage) bool { return known.Broker == u.Broker }) {
				all = append(all, u)
			}
		case <-ctx.Done():
			return all, nil
		}
	}
	return all, nil
}
