package resolver_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/resolver"
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

// control makes a connection to each broker that it misses; not to one that it
// has just heard of, whose cluster's connection leads to it as well.
func TestNewMemberOfAClusterIsNotMissed(t *testing.T) {
	t.Parallel()
	missing := resolver.Missing(map[string]string{"A": "", "B": ""}, map[string]string{"A": "", "B": "", "C": ""})
	if diff := cmp.Diff([]string{"A", "B"}, missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}
