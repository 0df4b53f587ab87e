package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/lease"
)

// Some connections are counted across brokers: what the brokers and control say
// to each other about that is package lease's business. A broker sends a
// [lease.Ask] and one of the control replicas answers with a [lease.Answer], which is empty, with
// a reason in the header, when control could not look. Control sends
// a [lease.Recall] to all brokers of the operator. And each broker says to the others that it lives.
const (
	SubjectLease  = "signalbox.lease"
	SubjectRecall = "signalbox.recall"
	SubjectHere   = "signalbox.here" // the payload is the broker's public key
)

// shareCounts runs beside the follower's loop until ctx ends.
func (f *Follower) shareCounts(ctx context.Context) {
	if f.holder == nil {
		return
	}
	for subject, handle := range map[string]nats.MsgHandler{SubjectRecall: f.takeRecall, SubjectHere: f.takeHere} {
		sub, err := f.conn.Subscribe(subject, handle)
		if err != nil {
			f.log.Error("cannot listen for what concerns counts of connections", "subject", subject, "error", err)
			return
		}
		defer sub.Unsubscribe()
	}
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		f.sayHere(ctx)
	}()
	f.holder.Run(ctx, f.askLease)
	<-beating
}

func (f *Follower) sayHere(ctx context.Context) {
	beat := time.NewTicker(lease.BeatEvery)
	defer beat.Stop()
	for {
		f.publish(&nats.Msg{Subject: SubjectHere, Data: []byte(f.broker)})
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}

func (f *Follower) takeRecall(m *nats.Msg) {
	var r lease.Recall
	if err := json.Unmarshal(m.Data, &r); err != nil {
		f.log.Warn("ignored an unreadable recall", "error", err)
		return
	}
	f.holder.Recalled(r)
}

func (f *Follower) takeHere(m *nats.Msg) {
	if peer := string(m.Data); peer != f.broker {
		f.holder.Heard(peer)
	}
}

func (f *Follower) askLease(ctx context.Context, q lease.Ask) (lease.Answer, error) {
	var a lease.Answer
	m, err := f.conn.RequestWithContext(ctx, SubjectLease, mustJSON(q))
	if err != nil {
		return a, err
	}
	if reason := m.Header.Get(headerLookupErr); reason != "" {
		return a, fmt.Errorf("control cannot answer: %s", reason)
	}
	return a, json.Unmarshal(m.Data, &a)
}

// takeLease is control's end.
func (l *link) takeLease(ctx context.Context, m *nats.Msg) {
	var q lease.Ask
	if err := json.Unmarshal(m.Data, &q); err != nil || q.Broker == "" {
		l.fail("read what a broker asks of places", errors.Join(err, errors.New("not an ask")))
		l.cannot(m, "the request is unreadable")
		return
	}
	a, recalls, err := l.hub.source.Lease(ctx, l.OperatorID, q)
	if err != nil {
		l.fail("give a broker places for connections", err)
		l.cannot(m, "the ledger cannot be used right now")
		return
	}
	l.hub.recall(l.OperatorID, recalls)
	l.respond(m, "", mustJSON(a))
}

// recall tells all the operator's brokers.
func (h *Hub) recall(operatorID string, recalls []lease.Recall) {
	for _, l := range h.brokers() {
		nc := l.connection()
		if l.OperatorID != operatorID || nc == nil {
			continue
		}
		for _, r := range recalls {
			if err := nc.Publish(SubjectRecall, mustJSON(r)); err != nil {
				l.fail("recall places", err)
			}
		}
	}
}
