package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

const (
	payload = 128     // bytes of a message
	batch   = 1000    // messages that the subscriber confirms at a time
	ahead   = 64      // batches that the publisher may be ahead
	subject = "bench" // of the messages
)

// measureTraffic sends messages, and counts what connections cost that send none.
func (b *bench) measureTraffic(ctx context.Context) error {
	p, err := b.newPair(ctx, "traffic", 1)
	if err != nil {
		return err
	}
	defer p.close()
	client := p.clients[0]
	messages := func(n *node) sample {
		return rate(func() (int, error) { return b.scale.messages, n.passOn(client, b.scale.messages) })
	}
	stock, ours, err := alternate(ctx, b.scale.streams, b.scale.streams, perSecond, messages(p.stock), messages(p.broker))
	if err != nil {
		return err
	}
	b.add(row{Name: fmt.Sprintf("messages of %d bytes, from one client to another", payload), Unit: perSecond,
		Stock: stock, Signalbox: ours, Target: &target{Of: "ratio", AtLeast: 0.98}})
	idle := func(n *node) sample {
		return func() (float64, error) { return p.idle(ctx, n) }
	}
	stock, ours, err = alternate(ctx, b.scale.idleRounds, b.scale.idleRounds, memoryBytes, idle(p.stock), idle(p.broker))
	if err != nil {
		return err
	}
	b.add(row{Name: fmt.Sprintf("memory of a connection, with %s idle ones", count(b.scale.idle)), Unit: memoryBytes,
		Stock: stock, Signalbox: ours, Target: &target{Of: "ratio", AtMost: 1.05},
		Note: "Both with GOGC=10, so that little of what is counted is garbage."})
	return nil
}

// passOn sends messages from one connection to another, and returns when all
// have come. The publisher waits for the subscriber when it is too far ahead:
// what is measured is the slowest part, and nothing is dropped.
func (n *node) passOn(c credential, messages int) error {
	to, err := n.connect(c)
	if err != nil {
		return err
	}
	defer to.Close()
	from, err := n.connect(c)
	if err != nil {
		return err
	}
	defer from.Close()
	batches := make(chan struct{}, messages/batch)
	come := 0
	_, err = to.Subscribe(subject, func(*nats.Msg) {
		if come++; come%batch == 0 {
			batches <- struct{}{}
		}
	})
	if err != nil {
		return err
	}
	if err := to.Flush(); err != nil {
		return err
	}
	text := make([]byte, payload)
	for sent := range messages {
		if sent%batch == 0 && sent >= ahead*batch {
			<-batches
		}
		if err := from.Publish(subject, text); err != nil {
			return err
		}
	}
	if err := from.Flush(); err != nil {
		return err
	}
	for range min(ahead, messages/batch) {
		<-batches
	}
	return nil
}

// idle starts the server anew and connects clients that do nothing. It returns
// the bytes of memory that each of them costs. The server collects its garbage
// early, which else is as much as what is counted.
func (p *pair) idle(ctx context.Context, n *node) (float64, error) {
	n.stop()
	n.env = append(n.env, "GOGC=10")
	if _, err := n.startUp(ctx, p.clients[0]); err != nil {
		return 0, err
	}
	before, err := n.resident()
	if err != nil {
		return 0, err
	}
	for range p.bench.scale.idle {
		cl, err := n.hold(p.clients[0])
		if err != nil {
			return 0, err
		}
		defer cl.hangUp()
	}
	after, err := n.resident()
	return (after - before) / float64(p.bench.scale.idle), err
}
