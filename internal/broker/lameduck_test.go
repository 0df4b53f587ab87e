package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

// nats-server alone would end the broker's connection on the system account at
// any time in between, and take it back no more.
func TestLameDuckHearsControlUntilItsLastClientIsGone(t *testing.T) {
	t.Parallel()
	cluster := brokertest.StartConfigured(t, 1, func(_ int, n *brokertest.Node) { n.LameDuck = 50 * time.Millisecond })
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	var clients []*nats.Conn
	for range 20 {
		clients = append(clients, user.Connect(t, node.ClientURL()))
	}
	startLeaf(t, node.Endpoints().LeafNode[0], user)
	for deadline := time.Now().Add(brokertest.Patience); node.Server().NumLeafNodes() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the leaf node is not in")
		}
		<-time.After(time.Millisecond) // the pace of asking
	}
	node.HandOver(t.Context())
	for _, nc := range clients {
		brokertest.WaitClosed(t, nc)
	}
	if n := node.Server().NumLeafNodes(); n != 0 {
		t.Errorf("%d leaf nodes are left", n)
	}
	if _, err := user.Dial(node.ClientURL()); !errors.Is(err, nats.ErrNoServers) {
		t.Errorf("a login: %v, want nobody to listen", err)
	}
	node.WaitApplied(account.Change(nil))
}

func TestLameDuckEndsAtOnceWhenItIsTold(t *testing.T) {
	t.Parallel()
	cluster := brokertest.StartConfigured(t, 1, func(_ int, n *brokertest.Node) { n.LameDuck = time.Hour })
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	account.Issue("app").Connect(t, node.ClientURL())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		node.HandOver(ctx)
	}()
	cancel()
	select {
	case <-done:
	case <-time.After(brokertest.Patience):
		t.Error("it goes on")
	}
}
