package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

// Somebody wants to know what a change would do, before making it. Control asks
// all brokers, with the claims that the account would have; they are not signed, and no
// broker does anything with them but hold its connections against them:
//
//	{"sub":"A…","nats":{…}}  ->  {"broker":"one","outlook":{"connected":20,"closed":3,"connections":[…]}}
const subjectForesee = "signalbox.foresee"

// Outlook is what other claims would do to an account's connections on a broker.
type Outlook struct {
	Connected     int64     `json:"connected"`             // by now
	Closed        int64     `json:"closed"`                // of those
	Subscriptions int64     `json:"subscriptions"`         // of those
	Connections   []Closing `json:"connections,omitempty"` // that would be closed; not all when there are many
}

// Closing is a connection that would be closed.
type Closing struct {
	ID             uint64 `json:"id"`   // on its broker
	User           string `json:"user"` // the credential's public key
	ConnectionType string `json:"connection_type"`
	Address        string `json:"address"`
	Name           string `json:"name"` // what the client calls itself
	Subscriptions  int64  `json:"subscriptions"`
}

// BrokerOutlook is one broker's answer.
type BrokerOutlook struct {
	Broker  string  `json:"broker"` // the server's name
	Outlook Outlook `json:"outlook"`
}

// answerForesee runs beside the follower's loop: it changes nothing.
func (f *Follower) answerForesee(m *nats.Msg) {
	var claims jwt.AccountClaims
	if err := json.Unmarshal(m.Data, &claims); err != nil {
		f.log.Warn("cannot read claims to foresee", "error", err)
		return
	}
	answer := BrokerOutlook{Broker: f.server.Name()}
	if foresee := f.resolver.watcher.Foresee; foresee != nil {
		answer.Outlook = foresee(&claims)
	}
	reply := nats.NewMsg(m.Reply)
	reply.Data = mustJSON(answer)
	f.publish(reply)
}

// Foresee asks the operator's brokers what an account's claims, as JSON, would do to
// its connections. It returns when expect brokers have answered or ctx ends, with
// the answers there are: fewer than expected is not an error.
func (h *Hub) Foresee(ctx context.Context, operatorID string, claims []byte, expect int) ([]BrokerOutlook, error) {
	answers := make(chan *nats.Msg, 64)
	for _, l := range h.brokers() {
		if l.OperatorID != operatorID || !l.connected() {
			continue
		}
		sub, err := l.ask(subjectForesee, claims, answers)
		if err != nil {
			return nil, err
		}
		defer sub.Unsubscribe()
	}
	var all []BrokerOutlook
	for len(all) < expect {
		select {
		case <-ctx.Done():
			return all, nil
		case m := <-answers:
			if len(m.Data) == 0 {
				continue // nobody listens in that cluster
			}
			var answer BrokerOutlook
			if err := json.Unmarshal(m.Data, &answer); err != nil {
				return nil, fmt.Errorf("read what a broker foresees: %w", err)
			}
			if !slices.ContainsFunc(all, func(known BrokerOutlook) bool { return known.Broker == answer.Broker }) {
				all = append(all, answer) // of a cluster that falls apart, two links may lead to one broker
			}
		}
	}
	return all, nil
}
