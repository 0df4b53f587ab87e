//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// guest is a client that stays away once it is thrown out.
type guest struct {
	*nats.Conn
	gone chan time.Time
}

func newGuest(t *testing.T, url, creds string) guest {
	t.Helper()
	g := guest{gone: make(chan time.Time, 1)}
	nc, err := nats.Connect(url, nats.UserCredentials(creds), nats.NoReconnect(), nats.Timeout(5*time.Second),
		nats.ClosedHandler(func(*nats.Conn) { g.gone <- time.Now() }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	g.Conn = nc
	return g
}

// staffPlan makes a plan.
func (c *customer) staffPlan(name string, terms map[string]any) resource {
	c.t.Helper()
	var plan resource
	terms["name"] = name
	c.must("POST", "/v1/plans", terms, &plan)
	return plan
}

func (c *customer) putOn(plan resource) {
	c.t.Helper()
	c.must("PUT", "/v1/tenants/"+c.tenant+"/plan", map[string]any{"plan_id": plan.ID}, nil)
}

func TestDowngradeIsInForceOnLiveConnections(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("downgraded")
	c.asStaff(s)
	creds := c.issue(c.user("worker", "").ID).file
	large := c.staffPlan("Large", map[string]any{})
	small := c.staffPlan("Small", map[string]any{"account_limits": map[string]any{"connections": 2}})
	native := c.staffPlan("Native", map[string]any{"connection_types": []string{"STANDARD"}})

	const rounds, many, few = 10, 10, 2
	var counts, types []time.Duration
	for range rounds {
		c.putOn(large)
		var guests []guest
		eventually(t, "the larger plan to let more in", func() error {
			for len(guests) < many {
				nc, err := nats.Connect(s.nats, nats.UserCredentials(creds), nats.NoReconnect(), nats.Timeout(5*time.Second))
				if err != nil {
					return err
				}
				nc.Close()
				guests = append(guests, newGuest(t, s.nats, creds))
			}
			return nil
		})
		start := time.Now()
		c.putOn(small)
		var last time.Time
		for range many - few {
			last = firstGone(t, guests)
		}
		counts = append(counts, last.Sub(start))
		for _, g := range guests {
			g.Close()
		}

		c.putOn(large)
		var over guest
		eventually(t, "the larger plan to let browsers in", func() error {
			nc, err := nats.Connect(s.ws, nats.UserCredentials(creds), nats.NoReconnect(), nats.Timeout(5*time.Second))
			if err != nil {
				return err
			}
			nc.Close()
			over = newGuest(t, s.ws, creds)
			return nil
		})
		stays := newGuest(t, s.nats, creds)
		start = time.Now()
		c.putOn(native)
		types = append(types, firstGone(t, []guest{over}).Sub(start))
		if _, err := nats.Connect(s.ws, nats.UserCredentials(creds), nats.NoReconnect()); err == nil {
			t.Error("a browser gets in that the plan has no place for")
		}
		if !stays.IsConnected() {
			t.Error("a client of a type that the plan has was thrown out")
		}
		stays.Close()
	}
	var plan struct {
		OverPlan []struct {
			AccountID string `json:"account_id"`
		} `json:"over_plan"`
	}
	c.putOn(small)
	c.must("GET", "/v1/tenants/"+c.tenant+"/plan", nil, &plan)
	if len(plan.OverPlan) != 1 || plan.OverPlan[0].AccountID != c.account {
		t.Errorf("over the plan: %+v", plan)
	}
	for what, took := range map[string][]time.Duration{"10 connections to 2": counts, "browsers not in the plan": types} {
		slices.Sort(took)
		t.Logf("%s: p50 %v, max %v of %d", what, took[rounds/2], took[rounds-1], rounds)
		if took[rounds-1] > time.Second {
			t.Errorf("%s: took %v", what, took[rounds-1])
		}
	}
}

// firstGone waits until one more of the guests is thrown out, and says when.
func firstGone(t *testing.T, guests []guest) time.Time {
	t.Helper()
	var at time.Time
	eventually(t, "one more guest to be thrown out", func() error {
		for _, g := range guests {
			select {
			case at = <-g.gone:
				return nil
			default:
			}
		}
		return fmt.Errorf("all others are there")
	})
	return at
}

func TestSigningKeyRotatesWhileClientsStay(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c := f.signUp("rotated")
	operator := c.asStaff(f.stack)
	creds := c.issue(c.user("worker", "").ID).file
	revoked := c.issue(c.user("fired", "").ID)
	c.must("POST", "/v1/credentials/"+revoked.ID+"/revoke", map[string]any{}, nil)
	c.inForce()
	down := f.brokers[2]
	down.process.kill()
	guests := []guest{newGuest(t, f.brokers[0].nats, creds), newGuest(t, f.brokers[1].nats, creds)}

	keys := func() string {
		var list struct {
			Items []struct{ Status string }
		}
		c.must("GET", "/v1/operators/"+operator.ID+"/signing-keys", nil, &list)
		return fmt.Sprint(list.Items)
	}
	var operation struct {
		ID, Status, Stage string
		WaitingFor        string `json:"waiting_for"`
		Done, Total       int64
	}
	start := time.Now()
	c.must("POST", "/v1/operators/"+operator.ID+"/signing-keys/rotate", nil, &operation)
	progress := func() { c.must("GET", "/v1/operations/"+operation.ID, nil, &operation) }
	eventually(t, "the rotation to wait for the broker that is down alone", func() error {
		if progress(); !strings.HasPrefix(operation.WaitingFor, "1 of ") || !strings.HasSuffix(operation.WaitingFor, down.name) {
			return fmt.Errorf("operation = %+v", operation)
		}
		return nil
	})
	if got := keys(); got != "[{active} {next}]" {
		t.Errorf("keys = %s while one broker does not know the next", got)
	}
	down.start()
	eventually(t, "the rotation to be done", func() error {
		if progress(); operation.Status != "done" {
			return fmt.Errorf("operation = %+v", operation)
		}
		return nil
	})
	t.Logf("rotated with a broker down meanwhile in %v", time.Since(start))
	if got := keys(); got != "[{retired} {active}]" {
		t.Errorf("keys = %s", got)
	}
	var account resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &account)
	eventually(t, "every broker to have it and refuse nothing", func() error {
		d := c.operatorDelivery(f.stack)
		for _, b := range d.Brokers {
			if len(b.Refusals) > 0 {
				t.Fatalf("%+v", b.Refusals)
			}
		}
		if !d.InForce {
			return fmt.Errorf("delivery = %+v", d)
		}
		return nil
	})
	for _, g := range guests {
		if !g.IsConnected() {
			t.Error("a client was thrown out by the rotation")
		}
	}
	for _, n := range f.brokers {
		newGuest(t, n.nats, creds).Close()
		wantRefused(t, n.nats, revoked.file)
	}
	// What they have learnt, brokers know after a start, control or none.
	f.controls[0].kill()
	f.controls[1].kill()
	f.brokers[0].process.kill()
	f.brokers[0].start()
	f.brokers[0].awaitReady()
	newGuest(t, f.brokers[0].nats, creds).Close()
	wantRefused(t, f.brokers[0].nats, revoked.file)
}
