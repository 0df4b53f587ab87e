package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Somebody wants to know what a change would do, before making it. Control asks
// all brokers, with the claims that the account would have; they are not signed, and no
// broker does anything with them but hold its connections against them:
//
//	{"sub":"A…","nats":{…},"trust_page":"eyJp…"}  ->  {"broker":"one","outlook":{"connected":20,"closed":3,"connections":[…]}}
//
// The trust page that the claims name comes with them, in base64: brokers fetch pages of what is
// in force, and this is not. Without it a broker takes the page it has for the one that is meant.
const subjectForesee = "signalbox.foresee"

// foreseen is what brokers are asked about beside the claims.
type foreseen struct {
	TrustPage []byte `json:"trust_page,omitempty"`
}

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
	var said jwt.AccountClaims
	if err := json.Unmarshal(m.Data, &said); err != nil {
		f.log.Warn("cannot read claims to foresee", "error", err)
		return
	}
	trust, err := readForeseen(m.Data)
	if err != nil {
		f.log.Warn("cannot read whom an account would trust", "error", err)
		return
	}
	answer := BrokerOutlook{Broker: f.server.Name()}
	if foresee := f.resolver.watcher.Foresee; foresee != nil {
		answer.Outlook = foresee(&said, trust)
	}
	reply := nats.NewMsg(m.Reply)
	reply.Data = mustJSON(answer)
	f.publish(reply)
}

func readForeseen(request []byte) (claims.TrustPage, error) {
	var beside foreseen
	if err := json.Unmarshal(request, &beside); err != nil || len(beside.TrustPage) == 0 {
		return claims.TrustPage{}, err
	}
	return claims.DecodeTrustPage(beside.TrustPage)
}

// withForeseen adds to claims, as JSON, what brokers need beside them.
func withForeseen(said []byte, beside foreseen) ([]byte, error) {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(said, &all); err != nil {
		return nil, fmt.Errorf("read claims to foresee: %w", err)
	}
	if err := json.Unmarshal(mustJSON(beside), &all); err != nil {
		return nil, fmt.Errorf("add to claims to foresee: %w", err)
	}
	return mustJSON(all), nil
}

// Foresee asks the operator's brokers what an account's claims, as JSON, with the trust page
// that they name, would do to its connections. It returns when expect brokers have answered or ctx ends, with
// the answers there are: fewer than expected is not an error.
func (h *Hub) Foresee(ctx context.Context, operatorID string, said []byte, trust claims.TrustPage, expect int) ([]BrokerOutlook, error) {
	request, err := withForeseen(said, foreseen{TrustPage: trust.Bytes()})
	if err != nil {
		return nil, err
	}
	answers := make(chan *nats.Msg, 64)
	for _, l := range h.brokers() {
		if l.OperatorID != operatorID || !l.connected() {
			continue
		}
		sub, err := l.ask(subjectForesee, request, answers)
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
