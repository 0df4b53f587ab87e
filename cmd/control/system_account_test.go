//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// seatOf is where the broker will be from its next start on, and how it logs in there.
func (n *node) seatOf() (system string, login nats.Option) {
	n.t.Helper()
	var kept struct {
		Seed    string
		System  string `json:"system_account_public_key"`
		UserJWT string `json:"user_jwt"`
	}
	text, err := os.ReadFile(n.file("identity.json"))
	if err := errors.Join(err, json.Unmarshal(text, &kept)); err != nil {
		n.t.Fatal(err)
	}
	seed, err := claims.ParseSeed([]byte(kept.Seed))
	if err != nil {
		n.t.Fatal(err)
	}
	l, err := resolver.NewLogin(kept.UserJWT, seed)
	if err != nil {
		n.t.Fatal(err)
	}
	return kept.System, nats.UserJWT(func() (string, error) { return l.JWT, nil }, l.Sign)
}

// stay keeps a client of the account connected to whichever broker there is.
func (f *fleet) stay(creds string) *nats.Conn {
	f.t.Helper()
	var urls []string
	for _, n := range f.brokers {
		urls = append(urls, n.nats)
	}
	nc, err := nats.Connect(strings.Join(urls, ","), nats.UserCredentials(creds), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.IgnoreAuthErrorAbort())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(nc.Close)
	return nc
}

// awaitSeatsBeside waits until every broker will be in another system account.
func (f *fleet) awaitSeatsBeside(old string) {
	f.t.Helper()
	eventually(f.t, "every broker to have its next seat", func() error {
		for _, n := range f.brokers {
			if system, _ := n.seatOf(); system == old {
				return fmt.Errorf("%s has it not", n.name)
			}
		}
		return nil
	})
}

func (n *node) restart() {
	n.t.Helper()
	n.process.stop()
	n.start()
	n.awaitReady()
}

func TestSystemAccountRotatesWhileBrokersRestartOneByOne(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c := f.signUp("moved")
	operator := c.asStaff(f.stack)
	creds := c.issue(c.user("worker", "").ID).file
	fired := c.issue(c.user("fired", "").ID)
	c.inForce()
	one, other := f.stay(creds), f.stay(creds)
	meet := func() {
		t.Helper()
		eventually(t, "the clients to hear each other", func() error {
			sub, err := one.SubscribeSync("greetings")
			if err != nil {
				return err
			}
			defer sub.Unsubscribe()
			if err := errors.Join(one.FlushTimeout(time.Second), other.Publish("greetings", nil)); err != nil {
				return err
			}
			_, err = sub.NextMsg(200 * time.Millisecond)
			return err
		})
	}
	meet()

	old, oldSeat := f.brokers[0].seatOf()
	var operation struct {
		ID, Status, Stage string
		WaitingFor        string `json:"waiting_for"`
		Done, Total       int64
	}
	c.must("POST", "/v1/operators/"+operator.ID+"/system-account/rotate", nil, &operation)
	await := func(what string, holds func() bool) {
		t.Helper()
		eventually(t, what, func() error {
			if c.must("GET", "/v1/operations/"+operation.ID, nil, &operation); !holds() {
				return fmt.Errorf("operation = %+v", operation)
			}
			return nil
		})
	}
	f.awaitSeatsBeside(old)

	f.brokers[0].restart()
	await("one broker to be in the next", func() bool { return operation.Done == 1 && operation.Total == 3 })
	meet()

	wantNotSeated(t, f.brokers[0], oldSeat)
	eventually(t, "control to be connected to both halves", func() error {
		d := c.operatorDelivery(f.stack)
		for _, b := range d.Brokers {
			if !b.Connected || !d.InForce {
				return fmt.Errorf("delivery = %+v", d)
			}
		}
		return nil
	})

	// Half-way: what is revoked is so on both sides at once, and both say so.
	guests := []guest{newGuest(t, f.brokers[0].nats, fired.file), newGuest(t, f.brokers[1].nats, fired.file), newGuest(t, f.brokers[2].nats, fired.file)}
	start := time.Now()
	proof := c.revokeAndWait(fired.ID, "PT10S")
	took := time.Since(start)
	t.Logf("revoked half-way in %v", took)
	if !proof.InForce || len(proof.Brokers) != 3 || took > 2*time.Second {
		t.Errorf("revoked half-way: %+v after %v", proof, took)
	}
	for i, g := range guests {
		select {
		case <-g.gone:
		case <-time.After(time.Second):
			t.Errorf("the revoked client of %s is connected", f.brokers[i].name)
		}
	}
	c.inForce()
	counted, all := f.signUp("counted"), &crowd{t: t}
	counted.limit(4)
	if in := all.dial(24, counted.issue(counted.user("device", "").ID).file, f.brokers...); in != 4 {
		t.Errorf("%d of 24 got in on both sides, want 4", in)
	}

	// Control starts anew, and speaks to both halves.
	f.controls[0].kill()
	f.controls[1].kill()
	f.startControl()
	f.controls[0] = f.control
	second := c.issue(c.user("second", "").ID)
	c.inForce()
	if proof := c.revokeAndWait(second.ID, "PT10S"); !proof.InForce {
		t.Errorf("control, started half-way, does not reach both halves: %+v", proof)
	}

	f.brokers[1].restart()
	await("two brokers to be in the next", func() bool { return operation.Done == 2 && strings.HasSuffix(operation.WaitingFor, f.brokers[2].name) })
	meet()
	f.control.kill() // the last comes back while control is away: it has its seat already
	f.brokers[2].process.stop()
	f.brokers[2].start()
	eventually(t, "the last broker to be there", func() error {
		nc, err := nats.Connect(f.brokers[2].nats, nats.UserCredentials(creds))
		if err == nil {
			nc.Close()
		}
		return err
	})
	f.startControl()
	f.controls[0] = f.control
	await("the rotation to be done", func() bool { return operation.Status == "done" })
	meet()
	c.inForce()
	for _, n := range f.brokers {
		wantNotSeated(t, n, oldSeat)
		wantRefused(t, n.nats, fired.file)
	}
	f.controls[0].kill()
	for _, n := range f.brokers { // with nobody to ask, either
		wantNotSeated(t, n, oldSeat)
	}
}

func wantNotSeated(t *testing.T, n *node, seat nats.Option) {
	t.Helper()
	nc, err := nats.Connect(n.nats, seat, nats.Timeout(5*time.Second))
	if err == nil {
		nc.Close()
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("%s answers a seat in the old system account with %v", n.name, err)
	}
}

func TestStreamsOutliveTheSystemAccount(t *testing.T) {
	t.Parallel()
	f := startJetStreamFleet(t)
	c := f.signUp("keeper")
	operator := c.asStaff(f.stack)
	_, creds := c.threefold(f)
	js, err := f.stay(creds).JetStream(nats.MaxWait(time.Second))
	check(t, err)
	old, _ := f.brokers[0].seatOf()
	c.must("POST", "/v1/operators/"+operator.ID+"/system-account/rotate", nil, nil)
	f.awaitSeatsBeside(old)
	want := uint64(10)
	for _, n := range f.brokers {
		n.restart()
		id := nats.MsgId(n.name) // what was stored without a word is stored once
		eventually(t, "a message to be stored", func() error { return second(js.Publish("orders", nil, id)) })
		want++
	}
	for _, n := range f.brokers {
		js, err := mustConnect(t, n.nats, creds).JetStream(nats.MaxWait(2 * time.Second))
		check(t, err)
		eventually(t, "the stream to be whole at "+n.name, func() error {
			info, err := js.StreamInfo("ORDERS")
			if err != nil || info.State.Msgs != want || len(info.Cluster.Replicas) != 2 || !info.Cluster.Replicas[0].Current || !info.Cluster.Replicas[1].Current {
				return fmt.Errorf("%+v, %w", info, err)
			}
			return nil
		})
	}
}
