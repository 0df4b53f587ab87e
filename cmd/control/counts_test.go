//go:build linux

package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

// crowd are clients that try to get in once, and stay when they do.
type crowd struct {
	t *testing.T

	mu      sync.Mutex
	clients []*nats.Conn
}

// dial has n clients log in at once, over the brokers in turn, and answers how many got in.
func (c *crowd) dial(n int, creds string, nodes ...*node) int {
	c.t.Helper()
	var in atomic.Int64
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			got, err := nats.Connect(nodes[i%len(nodes)].nats, nats.UserCredentials(creds), nats.NoReconnect(), nats.IgnoreDiscoveredServers(),
				nats.Timeout(patience), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
			if err == nil {
				in.Add(1)
				c.t.Cleanup(got.Close)
				c.mu.Lock()
				defer c.mu.Unlock()
				c.clients = append(c.clients, got)
			}
		})
	}
	all.Wait()
	return int(in.Load())
}

// connected are those that are connected.
func (c *crowd) connected() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range c.clients {
		if client.IsConnected() {
			n++
		}
	}
	return n
}

// leave closes that many of those that are connected and came first.
func (c *crowd) leave(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients = slices.DeleteFunc(c.clients, (*nats.Conn).IsClosed)
	for _, client := range c.clients[:n] {
		client.Close()
	}
	c.clients = slices.Delete(c.clients, 0, n)
}

// within waits for something that is to happen soon.
func (c *crowd) within(most time.Duration, what string, holds func() bool) {
	c.t.Helper()
	began := time.Now()
	eventually(c.t, what, func() error {
		if !holds() {
			return fmt.Errorf("%d are connected", c.connected())
		}
		return nil
	})
	took := time.Since(began)
	c.t.Logf("%s: after %v", what, took)
	if took > most {
		c.t.Errorf("%s: after %v, want %v at most", what, took, most)
	}
}

// limit makes the account take that many connections of clients of the plain
// protocol, and waits until brokers know.
func (c *customer) limit(n int) {
	c.t.Helper()
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"connections_per_type": map[string]any{"STANDARD": n}}, nil)
	c.inForce()
}

func TestCountsHoldThroughWhatHappensToControlAndBrokers(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c := f.signUp("counter")
	c.limit(10)
	user := c.issue(c.user("device", "").ID)
	all := &crowd{t: t}
	if in := all.dial(60, user.file, f.brokers...); in != 10 {
		t.Errorf("%d of 60 got in, want 10", in)
	}
	if in := all.dial(3, user.file, f.brokers...); in != 0 {
		t.Errorf("%d more got in", in)
	}
	eventually(t, "the reason to be told", func() error {
		if !slices.ContainsFunc(c.refusals(), func(r refusedLogin) bool { return r.Reason == "type_limit" }) {
			return fmt.Errorf("refusals = %+v", c.refusals())
		}
		return nil
	})
	var usage struct {
		Types []struct {
			Type        string `json:"connection_type"`
			Used, Limit int
			Shares      []struct{ Used, Places int }
		} `json:"connection_types"`
		Connections struct{ Used int }
	}
	c.must("GET", "/v1/accounts/"+c.account+"/usage", nil, &usage)
	if len(usage.Types) != 1 || usage.Types[0].Used != 10 || usage.Types[0].Limit != 10 || len(usage.Types[0].Shares) == 0 || usage.Connections.Used != 10 {
		t.Errorf("usage = %+v, want 10 of 10", usage)
	}

	lowered := time.Now()
	c.limit(4)
	t.Logf("the lower limit was delivered after %v", time.Since(lowered))
	all.within(time.Second, "those beyond a lower limit are gone", func() bool { return all.connected() == 4 })
	c.limit(10)
	if in := all.dial(30, user.file, f.brokers[0]); in != 6 {
		t.Errorf("%d more got in after the limit went up again, want 6", in)
	}

	second := *c
	second.url = f.urls[1]
	eventually(t, "the other replica to be connected to the brokers", func() error {
		var usage struct {
			Answered int `json:"brokers_answered"`
		}
		if err := second.ask("GET", "/v1/accounts/"+c.account+"/usage", nil, &usage); err != nil || usage.Answered != 3 {
			return fmt.Errorf("%d brokers answered it (%w)", usage.Answered, err)
		}
		return nil
	})
	f.controls[0].kill()
	all.leave(5)
	all.within(3*time.Second, "places move while one replica of control is dead", func() bool {
		all.dial(10-all.connected(), user.file, f.brokers[1])
		return all.connected() == 10
	})
	f.brokers[0].process.kill()
	f.brokers[0].start()
	f.brokers[0].awaitReady()
	all.within(3*time.Second, "the places of a broker that came back are free", func() bool {
		all.dial(10-all.connected(), user.file, f.brokers[1], f.brokers[2])
		return all.connected() >= 10
	})

	f.controls[1].kill()
	before := all.connected()
	if in := all.dial(9, user.file, f.brokers...); in != 0 || all.connected() != before {
		t.Errorf("without control %d got in beside the %d, of whom %d are left", in, before, all.connected())
	}
}

func TestUsersCapHoldsAcrossBrokers(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c := f.signUp("capped")
	device := c.user("device", "")
	user := c.issue(device.ID)
	second := c.issue(device.ID)
	all := &crowd{t: t}
	if in := all.dial(9, user.file, f.brokers...); in != 9 {
		t.Errorf("%d of 9 got in without a cap", in)
	}
	c.must("PATCH", "/v1/users/"+device.ID, map[string]any{"connections": 2}, nil)
	c.inForce()
	all.within(2*time.Second, "those beyond the user's cap are gone", func() bool { return all.connected() == 2 })
	if in := all.dial(6, second.file, f.brokers...); in != 0 {
		t.Errorf("%d got in by the user's other credential", in)
	}
}

// silence makes the ledger believe that a broker has been silent, and the others
// have been heard, for half a minute longer than is so.
func (f *fleet) silence(broker *node) {
	f.t.Helper()
	pool, err := pgxpool.New(f.t.Context(), f.postgres.URLFor(pgtest.Migrated))
	if err != nil {
		f.t.Fatal(err)
	}
	defer pool.Close()
	_, err = pool.Exec(f.t.Context(), `
		UPDATE lease_brokers
		SET steady_since = steady_since - interval '30 seconds',
			heard_at = heard_at - CASE WHEN brokers.name = $1 THEN interval '30 seconds' ELSE interval '0' END
		FROM brokers
		WHERE brokers.public_key = lease_brokers.broker_key`, broker.name)
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestKilledBrokersPlacesComeFree(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c := f.signUp("survivor")
	c.limit(4)
	user := c.issue(c.user("device", "").ID)
	all := &crowd{t: t}
	if in := all.dial(4, user.file, f.brokers[0]); in != 4 {
		t.Fatalf("%d of 4 got in", in)
	}
	all.within(10*time.Second, "the brokers to know each other", func() bool { return f.peers() == 3*2 })
	f.brokers[0].process.kill()
	if in := all.dial(2, user.file, f.brokers[1]); in != 0 {
		t.Errorf("%d got in while the killed broker may live", in)
	}
	f.silence(f.brokers[0])
	all.within(3*time.Second, "its places are free", func() bool {
		all.dial(4-all.connected(), user.file, f.brokers[1], f.brokers[2])
		return all.connected() == 4
	})
}

// peers is how many peers the brokers know, taken together.
func (f *fleet) peers() (n int) {
	f.t.Helper()
	pool, err := pgxpool.New(f.t.Context(), f.postgres.URLFor(pgtest.Migrated))
	if err != nil {
		f.t.Fatal(err)
	}
	defer pool.Close()
	if err := pool.QueryRow(f.t.Context(), "SELECT COALESCE(sum(cardinality(peers)), 0) FROM lease_brokers").Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// A broker that nobody hears and that hears nobody has ended its connections
// before its places are given to others.
func TestCutOffBrokerEndsItsConnectionsBeforeOthersGetTheirPlaces(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c := f.signUp("divided")
	c.limit(4)
	user := c.issue(c.user("device", "").ID)
	all, later := &crowd{t: t}, &crowd{t: t}
	if in := all.dial(4, user.file, f.brokers[0]); in != 4 {
		t.Fatalf("%d of 4 got in", in)
	}
	all.within(10*time.Second, "the brokers to know each other", func() bool { return f.peers() == 3*2 })
	f.silence(&node{}) // all have been heard for long
	cut := time.Now()
	for _, w := range slices.Concat(f.brokers[0].between(), f.brokers[0].control) {
		w.cut()
	}
	var ended, moved time.Duration
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for moved == 0 && time.Since(cut) < 2*patience {
		<-tick.C
		later.dial(1, user.file, f.brokers[1])
		here, there := all.connected(), later.connected()
		if here+there > 4 {
			t.Fatalf("%v after the cut there are %d and %d connections, want 4 at most", time.Since(cut), here, there)
		}
		if here == 0 && ended == 0 {
			ended = time.Since(cut)
		}
		if there == 4 {
			moved = time.Since(cut)
		}
	}
	t.Logf("the broker ended its connections %v after the cut, the others had their places after %v", ended, moved)
	if moved == 0 || ended == 0 {
		t.Error("the places have not moved")
	}
}
