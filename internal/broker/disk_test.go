package broker_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// stored is the folder of the account's streams on a node's disk.
func stored(n *brokertest.Node, account claims.AccountKey) string {
	return filepath.Join(n.Dir, "jetstream", "jetstream", string(account))
}

func holds(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// fill makes a stream with messages and a durable consumer, and returns who can read it.
func fill(t *testing.T, url string, a *brokertest.Account, config nats.StreamConfig) nats.JetStreamContext {
	t.Helper()
	js, err := a.Issue("filler").Connect(t, url).JetStream(nats.MaxWait(2 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream to be made", func() error { _, err := js.AddStream(&config); return err })
	for i := range 20 {
		if _, err := js.Publish(strings.ToLower(config.Name)+".x", []byte(fmt.Sprint("message ", i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.AddConsumer(config.Name, &nats.ConsumerConfig{Durable: "reader", AckPolicy: nats.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	return js
}

func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.After(brokertest.Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited for %s: %v", what, err)
		}
	}
}

// erased is a report by which the broker has looked up to the revision and found nothing.
func erased(at resolver.Revision) func(resolver.DiskReport) bool {
	return func(r resolver.DiskReport) bool {
		for _, f := range r.Found {
			if !f.Gone {
				return false
			}
		}
		return r.Verified >= at
	}
}

func TestBrokerErasesWhatADeletedAccountLeft(t *testing.T) {
	t.Parallel()
	c := brokertest.Start(t, 1)
	node := c.Nodes[0]
	doomed, other := c.Control.NewAccount("doomed"), c.Control.NewAccount("other")
	doomed.Change(nil)
	c.WaitApplied(other.Change(nil))
	fill(t, node.ClientURL(), doomed, nats.StreamConfig{Name: "FILE", Subjects: []string{"file.>"}})
	fill(t, node.ClientURL(), doomed, nats.StreamConfig{Name: "MEMORY", Subjects: []string{"memory.>"}, Storage: nats.MemoryStorage})
	kept := fill(t, node.ClientURL(), other, nats.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}})
	if !holds(t, stored(node, doomed.Key)) {
		t.Fatal("the test looks in the wrong place")
	}

	c.Control.Spare(doomed.Key, true)
	revision := doomed.Delete()
	c.Control.WaitDisk(node, "to tell of what it found", func(r resolver.DiskReport) bool {
		return r.Verified >= revision && len(r.Found) == 1 && r.Found[0].Account == string(doomed.Key) && r.Found[0].Bytes > 0 && !r.Found[0].Gone
	})
	if !holds(t, stored(node, doomed.Key)) {
		t.Fatal("the broker erased it without control's word")
	}
	c.Control.Spare(doomed.Key, false)
	c.Control.WaitDisk(node, "to have erased it", func(r resolver.DiskReport) bool { return len(r.Found) == 1 && r.Found[0].Gone && r.Found[0].Bytes > 0 })
	if holds(t, stored(node, doomed.Key)) {
		t.Error("files of the deleted account are left")
	}
	if info, err := kept.StreamInfo("KEPT"); err != nil || info.State.Msgs != 20 || info.State.Consumers != 1 {
		t.Errorf("another account's stream: %+v, %v", info, err)
	}
}

func TestBrokerThatWasAwayErasesWhenItReturns(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"mirror", "cache"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			c := brokertest.Start(t, 1)
			node := c.Nodes[0]
			node.Stop()
			node.Store = store
			node.Start()
			doomed := c.Control.NewAccount("doomed")
			c.WaitApplied(doomed.Change(nil))
			fill(t, node.ClientURL(), doomed, nats.StreamConfig{Name: "FILE", Subjects: []string{"file.>"}})
			node.Stop()
			revision := doomed.Delete()
			node.Start()
			c.Control.WaitDisk(node, "to have erased it", erased(revision))
			if holds(t, stored(node, doomed.Key)) {
				t.Error("files of the deleted account are left")
			}
		})
	}
}

// rafts are the Raft groups whose logs are on a node's disk, the cluster's own left out.
func rafts(t *testing.T, c *brokertest.Cluster, n *brokertest.Node) (groups []string) {
	t.Helper()
	system, _ := c.Control.SystemAccount()
	entries, err := os.ReadDir(filepath.Join(n.Dir, "jetstream", "jetstream", system, "_js_"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "_meta_" {
			groups = append(groups, e.Name())
		}
	}
	return groups
}

func TestClusterErasesWhatADeletedAccountLeft(t *testing.T) {
	t.Parallel()
	c := brokertest.StartJetStream(t, 3)
	doomed, other := c.Control.NewAccount("doomed"), c.Control.NewAccount("other")
	doomed.Change(nil)
	c.WaitApplied(other.Change(nil))
	url := c.Nodes[0].ClientURL()
	fill(t, url, doomed, nats.StreamConfig{Name: "THREE", Subjects: []string{"three.>"}, Replicas: 3})
	fill(t, url, doomed, nats.StreamConfig{Name: "MEMORY", Subjects: []string{"memory.>"}, Replicas: 3, Storage: nats.MemoryStorage})
	fill(t, url, doomed, nats.StreamConfig{Name: "ONE", Subjects: []string{"one.>"}})
	kept := fill(t, url, other, nats.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}, Replicas: 3})
	for _, node := range c.Nodes {
		eventually(t, "the streams to be on "+node.Name, func() error {
			if !holds(t, stored(node, doomed.Key)) || len(rafts(t, c, node)) < 4 {
				return fmt.Errorf("Raft groups: %v", rafts(t, c, node))
			}
			return nil
		})
	}

	away := c.Nodes[2]
	away.Stop()
	revision := doomed.Delete()
	for _, node := range c.Nodes[:2] {
		c.Control.WaitDisk(node, "to have erased it", erased(revision))
	}
	away.Start()
	c.Control.WaitDisk(away, "to have erased it", erased(revision))
	for _, node := range c.Nodes {
		if holds(t, stored(node, doomed.Key)) {
			t.Errorf("files of the deleted account are left on %s", node.Name)
		}
		eventually(t, "Raft groups of the deleted account to go", func() error {
			if left := rafts(t, c, node); len(left) > 2 { // the other account's stream and consumer
				return fmt.Errorf("%s has %v", node.Name, left)
			}
			return nil
		})
	}
	eventually(t, "the other account's stream", func() error {
		info, err := kept.StreamInfo("KEPT")
		if err != nil || info.State.Msgs != 20 {
			return fmt.Errorf("%+v, %w", info, err)
		}
		return nil
	})
}
