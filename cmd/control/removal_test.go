package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// takeSeat connects with what the broker has in its data directory, as somebody
// with a copy of it would.
func (n *node) takeSeat(at *node) (*nats.Conn, error) {
	n.t.Helper()
	var identity struct {
		Seed    string
		UserJWT string `json:"user_jwt"`
	}
	text, err := os.ReadFile(n.file("identity.json"))
	check(n.t, errors.Join(err, json.Unmarshal(text, &identity)))
	seed, err := claims.ParseSeed([]byte(identity.Seed))
	check(n.t, err)
	return nats.Connect(at.nats, brokertest.Credential{JWT: identity.UserJWT, Seed: seed}.Option(), nats.MaxReconnects(0))
}

func (c *customer) brokerNamed(operator resource, name string) (id string) {
	c.t.Helper()
	var page struct{ Items []resource }
	c.must("GET", "/v1/operators/"+operator.ID+"/brokers", nil, &page)
	for _, b := range page.Items {
		if b.Name == name {
			id = b.ID
		}
	}
	return id
}

func TestRemovedBrokerHoldsNothingUpAndLetsNobodyIn(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c, doomed := f.signUp("stays"), f.signUp("doomed")
	operator := c.asStaff(f.stack)
	creds := c.issue(c.user("worker", "").ID).file
	c.inForce()
	gone, left := f.brokers[2], f.brokers[:2]
	path := "/v1/brokers/" + c.brokerNamed(operator, gone.name)
	if status, body, err := c.call("DELETE", path, nil); err != nil || status != http.StatusConflict || !strings.Contains(string(body), "stop it first") {
		t.Fatalf("removing a broker that runs: %d %s, %v", status, body, err)
	}
	gone.process.kill()
	thief, err := gone.takeSeat(left[0])
	check(t, err)
	defer thief.Close()

	doomed.must("DELETE", "/v1/accounts/"+doomed.account+"?undo=PT0S", nil, nil)
	doomed.awaitPhase(doomed.account, "verifying")
	var operation struct {
		ID, Status string
		WaitingFor string `json:"waiting_for"`
	}
	c.must("POST", "/v1/operators/"+operator.ID+"/signing-keys/rotate", nil, &operation)
	progress := func() { c.must("GET", "/v1/operations/"+operation.ID, nil, &operation) }
	eventually(t, "the rotation to wait for the broker that is down alone", func() error {
		if progress(); !strings.HasPrefix(operation.WaitingFor, "1 of ") || !strings.HasSuffix(operation.WaitingFor, gone.name) {
			return fmt.Errorf("operation = %+v", operation)
		}
		return nil
	})
	eventually(t, "control to take the broker for gone", func() error { return c.ask("DELETE", path, nil, nil) })
	doomed.awaitPhase(doomed.account, "done")
	eventually(t, "the rotation to be done", func() error {
		if progress(); operation.Status != "done" {
			return fmt.Errorf("operation = %+v", operation)
		}
		return nil
	})
	c.inForce()
	brokertest.WaitClosed(t, thief)
	for _, n := range left {
		eventually(t, "the seat to be refused by "+n.name, func() error {
			nc, err := gone.takeSeat(n)
			if err == nil {
				nc.Close()
			}
			if !errors.Is(err, nats.ErrAuthorization) {
				return fmt.Errorf("the login ended with %v", err)
			}
			return nil
		})
		newGuest(t, n.nats, creds).Close()
	}

	wantOut := func(over func() bool) {
		t.Helper()
		for !over() {
			if nc, err := connect(t, gone.nats, creds); err == nil {
				nc.Close()
				t.Fatal("the removed broker let a client in")
			}
		}
	}
	gone.start()
	wantOut(func() bool {
		select {
		case <-gone.process.done:
			return true
		default:
			return false
		}
	})
	if gone.process.err == nil || !strings.Contains(gone.process.output(), "this broker was removed") {
		t.Errorf("it ended with %v and said\n%s", gone.process.err, tail(gone.process.output(), 5))
	}

	for _, control := range f.controls {
		control.kill()
	}
	gone.start()
	eventually(t, "it to say why nobody is let in", func() error { return ready("http://127.0.0.1:"+gone.ports[2], http.StatusServiceUnavailable) })
	wantRefused(t, gone.nats, creds)
	if said := gone.process.output(); !strings.Contains(said, "clients are refused until control knows this broker again") {
		t.Errorf("it said\n%s", tail(said, 5))
	}
}
