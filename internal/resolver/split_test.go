package resolver_test

import (
	"testing"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

// One connection leads to one side only; control reaches both.
func TestClusterThatFellApartIsReachedOnBothSides(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	gone := account.Issue("app")
	for _, node := range cluster.Nodes {
		gone.Connect(t, node.ClientURL()).Close()
	}
	apart := cluster.Nodes[1]
	apart.Stop()
	apart.Alone = true
	apart.Start()
	cluster.WaitApplied(account.Revoke(gone.Key))
	for _, node := range cluster.Nodes {
		mustBeRefused(t, gone, node.ClientURL())
	}
	if links := cluster.Control.Hub().Status(); len(links) < 2 {
		t.Errorf("links = %+v, want more than one", links)
	}

	apart.Stop()
	apart.Alone = false
	apart.Start()
	cluster.Control.WaitFor(patience(t), "one link to lead everywhere again", func() bool { return len(cluster.Control.Hub().Status()) == 1 })
}
