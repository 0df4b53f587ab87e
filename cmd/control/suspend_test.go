//go:build linux

package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// changeAccess suspends or resumes the customer's account, and waits for the proof.
func (c *customer) changeAccess(verb string) (proof, error) {
	var out struct{ Proof proof }
	err := c.ask("POST", "/v1/accounts/"+c.account+"/"+verb+"?wait=PT30S", map[string]any{}, &out)
	return out.Proof, err
}

func TestSuspendedAccountKeepsItsStreamsOverARestart(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("debtor")
	creds := c.issue(c.user("worker", "").ID)
	worker := mustConnect(t, s.nats, creds.file)
	js, err := jetstream.New(worker.Conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, storage := range []jetstream.StorageType{jetstream.FileStorage, jetstream.MemoryStorage} {
		name := storage.String()
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, Storage: storage}); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			if _, err := js.Publish(t.Context(), name+".x", fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantMessages := func(stream string) {
		t.Helper()
		var again *client
		eventually(t, "the creds to work again", func() (err error) {
			again, err = connect(t, s.nats, creds.file)
			return err
		})
		js, err := jetstream.New(again.Conn)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "all 50 messages", func() error { // after a restart, streams are there a little later than logins
			stored, err := js.Stream(t.Context(), stream)
			if err != nil {
				return err
			}
			if n := stored.CachedInfo().State.Msgs; n != 50 {
				return fmt.Errorf("%s holds %d messages", stream, n)
			}
			return nil
		})
		again.Close()
	}
	suspend := func() {
		t.Helper()
		p, err := c.changeAccess("suspend")
		if err != nil {
			t.Fatal(err)
		}
		if !p.InForce {
			t.Fatalf("proof = %+v", p)
		}
		wantRefused(t, s.nats, creds.file)
		wantRefused(t, s.ws, creds.file)
	}

	suspend()
	wantThrownOut(t, worker)
	if _, err := c.changeAccess("resume"); err != nil {
		t.Fatal(err)
	}
	wantMessages("File")
	wantMessages("Memory")

	suspend()
	s.broker.stop()
	s.startBroker()
	s.awaitBroker()
	wantRefused(t, s.nats, creds.file)
	if _, err := c.changeAccess("resume"); err != nil {
		t.Fatal(err)
	}
	wantMessages("File") // memory is gone, as with any restart
}

func TestSuspendedAccountIsClosedOnStockServers(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("debtor")
	operator := c.asStaff(s).ID
	creds := c.issue(c.user("worker", "").ID)
	stock := s.startStock(operator, "stock", t.TempDir(), c.serverConfig(operator, "full"))
	worker := eventuallyConnect(t, stock.ClientURL(), creds.file)
	if _, err := c.changeAccess("suspend"); err != nil {
		t.Fatal(err)
	}
	wantThrownOut(t, worker)
	wantRefused(t, stock.ClientURL(), creds.file)
	if _, err := c.changeAccess("resume"); err != nil {
		t.Fatal(err)
	}
	wantEcho(t, eventuallyConnect(t, stock.ClientURL(), creds.file))
}

// Suspending closes every connection of an account on each broker, and resuming
// lets them in again, each within a second.
func TestSuspendAndResumeAreInForceEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c, other := f.signUp("debtor"), f.signUp("neighbour")
	creds := c.issue(c.user("worker", "").ID)
	stays := mustConnect(t, f.brokers[0].nats, other.issue(other.user("worker", "").ID).file)
	c.inForce()
	const rounds, each = 20, 10
	var closed, back []time.Duration
	for range rounds {
		var clients []*client
		for _, n := range f.brokers {
			for range each {
				clients = append(clients, mustConnect(t, n.nats, creds.file))
			}
		}
		start := time.Now()
		p, err := c.changeAccess("suspend")
		if err != nil {
			t.Fatal(err)
		}
		for _, gone := range clients {
			wantThrownOut(t, gone)
		}
		closed = append(closed, time.Since(start))
		var ended int64
		for _, b := range p.Brokers {
			ended += *b.ConnectionsClosed
		}
		if !p.InForce || len(p.Brokers) != len(f.brokers) || ended != int64(len(clients)) {
			t.Fatalf("proof = %+v, want %d connections closed by %d brokers", p, len(clients), len(f.brokers))
		}
		for _, n := range f.brokers {
			wantRefused(t, n.nats, creds.file)
		}

		start = time.Now()
		if _, err := c.changeAccess("resume"); err != nil {
			t.Fatal(err)
		}
		for _, n := range f.brokers {
			mustConnect(t, n.nats, creds.file).Close()
		}
		back = append(back, time.Since(start))
	}
	wantEcho(t, stays)
	for what, took := range map[string][]time.Duration{"suspend until all of 30 connections are closed": closed, "resume until a login works on each of 3 brokers": back} {
		slices.Sort(took)
		t.Logf("%s: p50 %v, max %v", what, took[rounds/2], took[rounds-1])
		if took[rounds-1] > time.Second {
			t.Errorf("%s: took %v", what, took[rounds-1])
		}
	}
}
