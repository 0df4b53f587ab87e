package admission_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

func TestControlHearsWhoLoggedIn(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(func(a *claims.Account) {}))
	user, refused := account.Issue("app"), account.Issue("lost")
	node.WaitApplied(account.Revoke(refused.Key))
	for range 3 {
		nc, err := user.Dial(node.ClientURL(), nats.Name("dispatcher\x1b[2J"))
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	if nc, err := refused.Dial(node.ClientURL()); err == nil {
		nc.Close()
		t.Fatal("a revoked credential was let in")
	}
	cluster.Control.WaitFor(patience(t), "both reports", func() bool {
		return len(cluster.Control.SeenLogins()) > 0 && len(cluster.Control.RefusedLogins()) > 0
	})
	seen := map[resolver.SeenLogin]bool{} // however many reports it took
	for _, l := range cluster.Control.SeenLogins() {
		l.Ago = 0
		seen[l] = true
	}
	want := map[resolver.SeenLogin]bool{{Account: string(account.Key), User: string(user.Key), ConnectionType: "STANDARD", Address: "127.0.0.1",
		Client: "go " + nats.Version + " dispatcher[2J"}: true}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
}
