package broker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/broker"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

func TestWhatAClusterAgreedOnGoesAlongIntoAnotherSystemAccount(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	system, _ := cluster.Control.SystemAccount()
	node.Stop()
	agreed := func(system claims.AccountKey) string {
		t.Helper()
		folder := filepath.Join(stored(node, system), "_js_", "_meta_")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	former := agreed(newAccountKey(t))
	node.Start()
	if holds(t, former) || !holds(t, filepath.Join(stored(node, claims.AccountKey(system)), "_js_", "_meta_")) {
		t.Error("the folder has not gone along")
	}
	node.Stop()

	agreed(newAccountKey(t))
	_, err := broker.Start(t.Context(), broker.Config{DataDir: node.Dir, Adjust: func(o *server.Options) { o.Host, o.Port = "127.0.0.1", server.RANDOM_PORT }})
	if err == nil || !strings.Contains(err.Error(), "2 system accounts") {
		t.Errorf("with the folders of two system accounts the broker starts: %v", err)
	}
}

func newAccountKey(t *testing.T) claims.AccountKey {
	t.Helper()
	seed, err := claims.NewAccountSeed()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seed.AccountKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
