//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

// startJetStreamFleet starts one cluster of three brokers with JetStream.
func startJetStreamFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{stack: newStack(t)}
	f.startControl()
	f.brokers = f.newCluster("c1")
	for _, n := range f.brokers {
		config, err := os.OpenFile(n.file("nats.conf"), os.O_APPEND|os.O_WRONLY, 0)
		check(t, err)
		_, err = fmt.Fprintf(config, "jetstream { store_dir: %q }\n", n.dir)
		check(t, err)
		check(t, config.Close())
		n.start()
	}
	for _, n := range f.brokers {
		n.awaitReady()
		n.awaitRouted()
	}
	return f
}

// holds says whether the broker's disk holds anything of the account.
func (n *node) holds(publicKey string) bool {
	n.t.Helper()
	_, err := os.Stat(n.file("jetstream/" + publicKey))
	if err != nil && !os.IsNotExist(err) {
		n.t.Fatal(err)
	}
	return err == nil
}

// threefold makes a stream that every broker has a copy of.
func (c *customer) threefold(f *fleet) (publicKey, file string) {
	c.t.Helper()
	file = c.issue(c.user("keeper", "").ID).file
	c.inForce()
	js, err := mustConnect(c.t, f.brokers[0].nats, file).JetStream(nats.MaxWait(2 * time.Second))
	check(c.t, err)
	eventually(c.t, "the cluster's JetStream to make a stream", func() error {
		return second(js.AddStream(&nats.StreamConfig{Name: "ORDERS", Subjects: []string{"orders"}, Replicas: 3}))
	})
	for range 10 {
		check(c.t, second(js.Publish("orders", []byte("secret"))))
	}
	publicKey = c.publicKey()
	for _, n := range f.brokers {
		eventually(c.t, "the stream to be on "+n.name, func() error {
			if !n.holds(publicKey) {
				return fmt.Errorf("it is not")
			}
			return nil
		})
	}
	return publicKey, file
}

// wantThreefold fails unless the stream is whole.
func (c *customer) wantThreefold(f *fleet, file string) {
	c.t.Helper()
	js, err := mustConnect(c.t, f.brokers[0].nats, file).JetStream(nats.MaxWait(2 * time.Second))
	check(c.t, err)
	eventually(c.t, "the stream to be whole", func() error {
		info, err := js.StreamInfo("ORDERS")
		if err != nil || info.State.Msgs != 10 || len(info.Cluster.Replicas) != 2 {
			return fmt.Errorf("%+v, %w", info, err)
		}
		return nil
	})
}

func TestAccountWhoseBrokerIsDownIsFinishedWhenThatReturns(t *testing.T) {
	t.Parallel()
	f := startJetStreamFleet(t)
	c, other := f.signUp("doomed"), f.signUp("other")
	key, _ := c.threefold(f)
	_, kept := other.threefold(f)
	streams := c.retirement(c.account).Streams
	if len(streams) != 1 || len(streams[0].Brokers) != 3 || streams[0].Messages != 10 {
		t.Errorf("streams = %+v, want one on three brokers", streams)
	}

	other.must("DELETE", "/v1/accounts/"+other.account+"?wait=PT30S", nil, nil)
	wantRefused(t, f.brokers[1].nats, kept)
	other.must("POST", "/v1/accounts/"+other.account+"/restore?wait=PT30S", nil, nil)
	other.wantThreefold(f, kept)

	down := f.brokers[2]
	down.process.kill()
	c.must("DELETE", "/v1/accounts/"+c.account+"?undo=PT0S", nil, nil)
	eventually(t, "the brokers that are up to have looked", func() error {
		r := c.awaitPhase(c.account, "verifying")
		for i, want := range []string{"erased", "erased", "waiting"} {
			if r.Brokers[i].State != want {
				return fmt.Errorf("%s is %s, want %s", r.Brokers[i].Broker, r.Brokers[i].State, want)
			}
		}
		return nil
	})
	if f.brokers[0].holds(key) || f.brokers[1].holds(key) || !down.holds(key) {
		t.Errorf("while one is down, the disks hold %t %t %t", f.brokers[0].holds(key), f.brokers[1].holds(key), down.holds(key))
	}

	start := time.Now()
	down.start()
	done := c.awaitPhase(c.account, "done")
	t.Logf("done %v after the broker's start", time.Since(start))
	if down.holds(key) || done.Brokers[2].Bytes == 0 {
		t.Errorf("the broker that returned holds it still: %t, %+v", down.holds(key), done.Brokers[2])
	}
	other.wantThreefold(f, kept)
}

// What a broker cannot erase is said, and tried again whoever is killed meanwhile.
func TestPurgeIsFinishedOnceTheDiskAllowsIt(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("sticky")
	file := c.issue(c.user("keeper", "").ID).file
	c.inForce()
	js, err := mustConnect(t, s.nats, file).JetStream()
	check(t, err)
	check(t, second(js.AddStream(&nats.StreamConfig{Name: "FILE", Subjects: []string{"file"}})))
	check(t, second(js.Publish("file", []byte("secret"))))
	key := c.publicKey()
	release := brokertest.Immovable(t, filepath.Join(s.dir, "jetstream", "jetstream", key, "streams", "FILE", "msgs"))
	c.must("DELETE", "/v1/accounts/"+c.account+"?undo=PT0S", nil, nil)
	cannot := func() error {
		r := c.retirement(c.account)
		if b := r.Brokers[0]; r.Phase != "purging" || b.State != "erasing" || b.Bytes == 0 || b.Error == nil || strings.Contains(*b.Error, s.dir) {
			return fmt.Errorf("retirement = %+v", r)
		}
		return nil
	}
	eventually(t, "the broker to say that it cannot", cannot)
	s.control.kill()
	s.broker.kill()
	s.startControl()
	s.startBroker()
	s.awaitBroker()
	eventually(t, "the broker to say so still", cannot)
	release()
	c.awaitPhase(c.account, "done")
	if s.files(key) {
		t.Error("files of the purged account are left")
	}
}
