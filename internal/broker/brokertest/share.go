package brokertest

import (
	"context"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// shares is the ledger of places for connections that are counted.
type shares struct {
	held    chan struct{} // closed when asks are answered again; nil: they are
	buckets map[lease.Key]*lease.Bucket
	brokers map[string]sharer
}

// sharer is a broker that asks for places.
type sharer struct {
	incarnation, sequence int64
	lease.Heard
}

// HoldPlaces makes control answer no broker that asks for places until release is called.
func (c *Control) HoldPlaces() (release func()) {
	held := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shares.held = held
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(held)
		c.shares.held = nil
	}
}

func (c *Control) lease(ctx context.Context, _ string, q lease.Ask) (a lease.Answer, recalls []lease.Recall, err error) {
	c.mu.Lock()
	held := c.shares.held
	c.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return a, nil, ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shares.brokers == nil {
		c.shares.buckets, c.shares.brokers = map[lease.Key]*lease.Bucket{}, map[string]sharer{}
	}
	now := time.Now()
	own := c.shares.brokers[q.Broker]
	if q.Incarnation < own.incarnation || q.Incarnation == own.incarnation && q.Sequence <= own.sequence {
		return lease.Answer{Incarnation: own.incarnation}, nil, nil
	}
	if q.Incarnation > own.incarnation {
		for _, b := range c.shares.buckets {
			b.Drop(func(broker string) bool { return broker == q.Broker })
		}
	}
	own.incarnation, own.sequence = q.Incarnation, q.Sequence
	own.Hear(q.Peers, now)
	c.shares.brokers[q.Broker] = own
	heard := map[string]lease.Heard{}
	for broker, s := range c.shares.brokers {
		heard[broker] = s.Heard
		if broker != q.Broker && s.Steady(now) && c.brokers[broker].cluster != "" && c.brokers[broker].cluster == c.brokers[q.Broker].cluster {
			a.Peers = append(a.Peers, broker)
		}
	}
	for _, w := range q.Wants {
		limit, err := c.limitOf(w)
		if err != nil {
			return lease.Answer{}, nil, err
		}
		b := c.shares.buckets[w.Key]
		if b == nil {
			b = &lease.Bucket{}
			c.shares.buckets[w.Key] = b
		}
		b.Drop(func(broker string) bool { return broker != q.Broker && heard[broker].Lost(heard, now) })
		g, recall := b.Take(q.Broker, w, limit, now)
		a.Grants = append(a.Grants, g)
		if recall {
			recalls = append(recalls, lease.Recall{Key: w.Key, Number: b.Recall})
		}
	}
	return a, recalls, nil
}

// limitOf is what the account's claims say of a bucket. Needs mu.
func (c *Control) limitOf(w lease.Want) (int64, error) {
	facts, err := claims.DecodeAccount(c.entries[w.Account].JWT)
	if err != nil {
		return 0, err
	}
	if name, ok := w.User(); ok {
		return facts.Extension().UserConnections(name, claims.AccountKey(w.Role)), nil
	}
	name, _ := w.Type()
	return facts.Extension().ConnectionsOf(claims.ConnectionType(name)), nil
}
