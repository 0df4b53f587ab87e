package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Proof is what brokers have confirmed of a change.
type Proof struct {
	Delivery tenants.Delivery
	After    map[string]time.Duration // by broker that confirmed: how long after the commit it did
}

const maxWait = 30 * time.Second

// waiting is how long the answer is to wait for brokers; not ok: not at all.
// Ask before anything is changed.
func waiting(r *http.Request) (wait time.Duration, ok bool, err error) {
	if !r.URL.Query().Has("wait") {
		return 0, false, nil
	}
	wait, err = parseDuration("?wait", r.URL.Query().Get("wait"))
	if err != nil {
		return 0, false, err
	}
	if wait > maxWait {
		return 0, false, fault.Field("?wait", "must be at most PT30S")
	}
	return wait, true, nil
}

// prove waits until every broker has confirmed the change, but no longer than that.
func (s *Server) prove(ctx context.Context, change tenants.Change, wait time.Duration) api.Proof {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return proofOf(s.Await(ctx, change))
}

func proofOf(p Proof) api.Proof {
	out := api.Proof{Revision: int64(p.Delivery.Revision), InForce: p.Delivery.InForce(), Unconfirmed: []string{}}
	out.Brokers = mapped(p.Delivery.Brokers, func(b tenants.BrokerDelivery) api.BrokerProof {
		return api.BrokerProof{Broker: b.Broker, AppliedRevision: int64(b.Applied), InForce: b.InForce,
			ConnectionsClosed: b.Closed, Milliseconds: p.milliseconds(b.Broker), Refusal: orNil(b.Refusal)}
	})
	for _, b := range p.Delivery.Brokers {
		if !b.InForce {
			out.Unconfirmed = append(out.Unconfirmed, b.Broker)
		}
	}
	return out
}

func (p Proof) milliseconds(broker string) *float64 {
	after, ok := p.After[broker]
	if !ok {
		return nil
	}
	ms := float64(after.Microseconds()) / 1000
	return &ms
}

// answerDeleted answers with the proof if it was asked for, and with nothing otherwise.
func (s *Server) answerDeleted(w http.ResponseWriter, r *http.Request, change tenants.Change, wait time.Duration, asked bool) error {
	if !asked {
		return noContent(w)
	}
	return answer(w, http.StatusOK, s.prove(r.Context(), change, wait))
}
