package main

import (
	"fmt"
	"net/http"
	"testing"
)

// proof is what an answer to a request with wait says.
type proof struct {
	Revision int64
	InForce  bool `json:"in_force"`
	Brokers  []struct {
		Broker            string
		InForce           bool   `json:"in_force"`
		ConnectionsClosed *int64 `json:"connections_closed"`
		Milliseconds      *float64
	}
	Unconfirmed []string
}

// wantConfirmed fails unless the one broker has confirmed the change and says
// how many connections it closed for it.
func (p proof) wantConfirmed(t *testing.T, closed int64) {
	t.Helper()
	if !p.InForce || len(p.Brokers) != 1 || len(p.Unconfirmed) != 0 {
		t.Fatalf("proof = %+v, want it confirmed by one broker", p)
	}
	b := p.Brokers[0]
	if b.ConnectionsClosed == nil || *b.ConnectionsClosed != closed || b.Milliseconds == nil || *b.Milliseconds <= 0 {
		t.Errorf("proof = %+v, want %d connections closed after some milliseconds; closed %v after %v",
			p, closed, orNothing(b.ConnectionsClosed), orNothing(b.Milliseconds))
	}
}

func orNothing[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func (c *customer) revokeAndWait(id, wait string) proof {
	c.t.Helper()
	var out struct{ Proof proof }
	c.must("POST", "/v1/credentials/"+id+"/revoke?wait="+wait, map[string]any{}, &out)
	return out.Proof
}

func TestRevokingCanWaitForTheProof(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("prover")
	user := c.user("device", "")
	lost, kept := c.issue(user.ID), c.issue(user.ID)
	clients := []*client{mustConnect(t, s.nats, lost.file), mustConnect(t, s.ws, lost.file)}
	stays := mustConnect(t, s.nats, kept.file)

	c.revokeAndWait(lost.ID, "PT30S").wantConfirmed(t, int64(len(clients)))
	wantRefused(t, s.nats, lost.file)
	for _, gone := range clients {
		wantThrownOut(t, gone)
	}
	wantEcho(t, stays)

	t.Run("deleting a user", func(t *testing.T) {
		var p proof
		c.must("DELETE", "/v1/users/"+user.ID+"?wait=PT30S", nil, &p)
		p.wantConfirmed(t, 1)
		wantThrownOut(t, stays)
	})
	t.Run("at another replica than the broker's", func(t *testing.T) {
		other := *c
		_, other.url = s.startReplica()
		user := c.user("roaming", "")
		for range 10 {
			one := c.issue(user.ID)
			mustConnect(t, s.nats, one.file)
			other.revokeAndWait(one.ID, "PT30S").wantConfirmed(t, 1)
		}
	})
	t.Run("a broker that is away is named", func(t *testing.T) {
		last := c.issue(c.user("last", "").ID)
		s.broker.kill()
		p := c.revokeAndWait(last.ID, "PT0.2S")
		if d := c.operatorDelivery(s); d.InForce || d.Brokers[0].Lag < 1 {
			t.Errorf("delivery = %+v, want one broker that lags", d)
		}
		if p.InForce || len(p.Unconfirmed) != 1 || p.Unconfirmed[0] != "one" || p.Brokers[0].Milliseconds != nil {
			t.Errorf("proof = %+v, want broker one named as unconfirmed", p)
		}
		s.startBroker()
		s.awaitBroker()
		c.inForce()
		eventually(t, "the broker to be connected and up to date", func() error {
			if d := c.operatorDelivery(s); !d.InForce || !d.Brokers[0].Connected || d.Brokers[0].Lag != 0 {
				return fmt.Errorf("delivery = %+v", d)
			}
			return nil
		})
		wantRefused(t, s.nats, last.file)
	})
	t.Run("deleting the account", func(t *testing.T) {
		var p proof
		c.must("DELETE", "/v1/accounts/"+c.account+"?wait=PT30S", nil, &p)
		p.wantConfirmed(t, 0)
	})
	t.Run("a wait that is too long changes nothing", func(t *testing.T) {
		status, body, err := c.call("DELETE", "/v1/accounts/"+c.account+"?wait=PT31S", nil)
		if err != nil || status != http.StatusBadRequest {
			t.Errorf("status = %d, %v, want 400\n%s", status, err, body)
		}
	})
}

type operatorDelivery struct {
	Revision int64
	InForce  bool `json:"in_force"`
	Brokers  []struct {
		Broker    string
		Applied   int64 `json:"applied_revision"`
		Lag       int64
		Connected bool
		Refusals  []struct{ Reason string }
	}
}

func (c *customer) operatorDelivery(s *stack) operatorDelivery {
	c.t.Helper()
	var d operatorDelivery
	c.must("GET", "/v1/operators/"+c.asStaff(s).ID+"/delivery", nil, &d)
	return d
}

// asStaff makes the customer staff, and returns the default operator.
func (c *customer) asStaff(s *stack) resource {
	c.t.Helper()
	s.exec(`UPDATE people SET is_staff = true`)
	var page struct{ Items []resource }
	c.must("GET", "/v1/operators", nil, &page)
	return page.Items[0]
}

// startReplica starts another control on the same database.
func (s *stack) startReplica() (p *process, url string) {
	s.t.Helper()
	address := "127.0.0.1:" + freePorts(s.t, 1)[0]
	p, url = startProcess(s.t, s.env, "control", "serve", "--listen", address), "http://"+address
	eventually(s.t, "another control to be ready", func() error { return ready(url, http.StatusNoContent) })
	return p, url
}
