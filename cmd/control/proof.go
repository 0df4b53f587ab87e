package main

import (
	"context"
	"sync"
	"time"

	"github.com/signalbox-io/signalbox/internal/httpapi"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

const (
	pollReceipts = 50 * time.Millisecond // how often receipts are looked for that another replica has got
	readReceipts = 10 * time.Second      // how long that may take; a proof that names no broker is worth nothing
)

// waiters are those who wait for an operator's receipts in this replica.
type waiters struct {
	mu   sync.Mutex
	each map[chan struct{}]string // operator
}

// join returns a channel that gets something after each receipt of the operator, until leave.
func (w *waiters) join(operator string) (heard chan struct{}, leave func()) {
	heard = make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.each == nil {
		w.each = map[chan struct{}]string{}
	}
	w.each[heard] = operator
	return heard, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.each, heard)
	}
}

func (w *waiters) wake(operator string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for heard, of := range w.each {
		if of != operator {
			continue
		}
		select {
		case heard <- struct{}{}:
		default:
		}
	}
}

// await waits until the change is in force at every broker, or ctx ends. What
// it was committed at is now. A database that cannot be read leaves the proof
// as far as it has come.
func (d *delivery) await(ctx context.Context, change tenants.Change) httpapi.Proof {
	committed := time.Now()
	heard, leave := d.waiters.join(string(change.OperatorID))
	defer leave()
	poll := time.NewTicker(pollReceipts)
	defer poll.Stop()
	proof := httpapi.Proof{Delivery: tenants.Delivery{Revision: change.Revision}, After: map[tenants.BrokerID]time.Duration{}}
	for {
		now, err := d.deliveryOf(ctx, change)
		if err != nil {
			d.log.Error("cannot read the receipts that a request waits for", "operator", change.OperatorID, "error", err)
		} else {
			proof.Delivery = now
			note(proof.After, now, time.Since(committed))
		}
		if proof.Delivery.InForce() || ctx.Err() != nil {
			return proof
		}
		select {
		case <-heard:
		case <-poll.C:
		case <-ctx.Done():
		}
	}
}

// deliveryOf reads even when ctx has ended: what is known when the time is over
// belongs into the proof.
func (d *delivery) deliveryOf(ctx context.Context, change tenants.Change) (tenants.Delivery, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readReceipts)
	defer cancel()
	return d.domain.DeliveryOf(ctx, change)
}

// note keeps the time for brokers that have confirmed for the first time.
func note(after map[tenants.BrokerID]time.Duration, now tenants.Delivery, since time.Duration) {
	for _, b := range now.Brokers {
		if _, known := after[b.ID]; b.InForce && !known {
			after[b.ID] = since
		}
	}
}
