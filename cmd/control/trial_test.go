//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// trial is what goes on while brokers suffer. A writer changes accounts, over
// either replica; clients try revoked creds, at every broker; and whatever the
// API says a broker has applied is held against that broker from then on.
type trial struct {
	t        *testing.T
	f        *fleet
	operator resource
	callers  [2]*customer // one person, at either replica
	user     string       // whose credentials come and go
	role     string       // what it allows changes; of the account that came with signing up
	standing pass         // in that role
	watched  map[string]*watched

	mu      sync.Mutex
	rounds  int
	revoked []revoked // in the order of their revisions
	checked int       // of those, how many were tried everywhere
	live    []pass    // not revoked, oldest first
	homes   []pass    // one in each account that is still to be deleted, oldest first
	closing []*client // of creds that were revoked
	state   int       // what the role allows, as was acknowledged last
}

// watched is what is known of a broker.
type watched struct {
	*node
	pass   pass    // creds that hold, for
	steady *client // which nothing may ever disconnect but the broker's end

	mu      sync.Mutex
	applied int64 // what the API said last
	floor   int64 // what was revoked up to this revision must not get in
	suffers bool  // a fault is on
	apart   bool  // no change can come into force here now
	named   int   // how often a proof said that this broker did not confirm
	refused int   // logins
}

// pass is creds, and where they come from.
type pass struct {
	id      string // of the credential
	account string
	creds   []byte
	client  *client // connected with them; nil: none
}

type revoked struct {
	pass
	revision int64
}

func startTrial(t *testing.T, f *fleet) *trial {
	t.Helper()
	f.unlimited()
	c := f.signUp("trial")
	tr := &trial{t: t, f: f, operator: c.asStaff(f.stack), watched: map[string]*watched{}}
	tr.callers = [2]*customer{c, {t: t, url: f.urls[1], http: c.http, tenant: c.tenant, account: c.account}}
	tr.user = c.user("fleeting", "").ID
	var role, work resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "state"}, &role)
	tr.role, tr.standing = role.ID, tr.mustIssue(c.user("standing", role.ID).ID)
	c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": "steady"}, &work)
	steady := *c
	steady.account = work.ID
	user := steady.user("steady", "").ID
	c.awaitInForce(work.ID)
	for _, n := range f.brokers {
		w := &watched{node: n, pass: tr.mustIssue(user)}
		tr.watched[n.name] = w
		w.steady = tr.mustLogin(n, w.pass)
	}
	tr.hammer()
	return tr
}

func (tr *trial) mustIssue(user string) pass {
	tr.t.Helper()
	p, err := tr.issue(tr.callers[0], user)
	if err != nil {
		tr.t.Fatal(err)
	}
	return p
}

func (tr *trial) issue(c *customer, user string) (pass, error) {
	var out struct {
		Credential resource
		Creds      string
	}
	err := c.ask("POST", "/v1/users/"+user+"/credentials", map[string]any{}, &out)
	return pass{id: out.Credential.ID, account: c.account, creds: []byte(out.Creds)}, err
}

// login connects once, and not again when the server ends the connection.
func login(n *node, p pass) (*client, error) {
	c := &client{closed: make(chan struct{})}
	nc, err := nats.Connect(n.nats, nats.UserCredentialBytes(p.creds), nats.NoReconnect(), nats.IgnoreDiscoveredServers(), nats.Timeout(5*time.Second),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }))
	c.Conn = nc
	return c, err
}

// whyRefused is what the API says of the credential's refused logins, if it does soon.
func (c *customer) whyRefused(credential string) string {
	for range 50 {
		var page struct{ Items []refusedLogin }
		if err := c.ask("GET", "/v1/accounts/"+c.account+"/refusals", nil, &page); err != nil {
			return err.Error()
		}
		for _, r := range page.Items {
			if r.CredentialID != nil && *r.CredentialID == credential {
				return fmt.Sprintf(" (%s: %s)", r.Reason, r.Detail)
			}
		}
		time.Sleep(100 * time.Millisecond) // only where the test fails already
	}
	return ""
}

func (tr *trial) mustLogin(n *node, p pass) *client {
	tr.t.Helper()
	c, err := login(n, p)
	if err != nil {
		tr.t.Fatalf("%s refuses creds that hold: %v", n.name, err)
	}
	tr.t.Cleanup(c.Close)
	return c
}

// write has the writer write until stop.
func (tr *trial) write() (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := tr.round(); err != nil {
				if tr.t.Context().Err() == nil {
					tr.t.Error(err)
				}
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(done); <-stopped })
	tr.t.Cleanup(stop)
	return stop
}

// awaitRounds waits until the writer has gone round so many times more.
func (tr *trial) awaitRounds(more int) {
	tr.t.Helper()
	rounds := func() int {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.rounds
	}
	until := rounds() + more
	eventually(tr.t, fmt.Sprint(more, " rounds of changes"), func() error {
		if n := rounds(); n < until {
			return fmt.Errorf("%d are missing", until-n)
		}
		return nil
	})
}

// round makes some changes. All of them are acknowledged: no fault is control's.
func (tr *trial) round() error {
	c, other := tr.callers[tr.rounds%2], tr.callers[(tr.rounds+1)%2]
	err := tr.issueAndConnect(c)
	if err == nil && len(tr.live) > 3 {
		err = tr.revoke(c)
	}
	if err == nil && tr.rounds%4 == 1 {
		err = tr.changeRole(c)
	}
	if err == nil && tr.rounds%4 == 3 {
		err = tr.makeAccount(c)
	}
	if err == nil && len(tr.homes) > 2 {
		err = tr.deleteAccount(c)
	}
	if err == nil {
		err = tr.hearDelivery(other)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.rounds++
	return err
}

func (tr *trial) issueAndConnect(c *customer) error {
	p, err := tr.issue(c, tr.user)
	if err != nil {
		return err
	}
	w := tr.someHealthy()
	if p.client, err = login(w.node, p); err != nil {
		return fmt.Errorf("%s refuses creds that were just issued: %w%s", w.name, err, c.whyRefused(p.id))
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.live = append(tr.live, p)
	return nil
}

func (tr *trial) revoke(c *customer) error {
	p := tr.live[0]
	var out struct{ Proof proof }
	err := tr.prove(p, &out.Proof, func() error {
		return c.ask("POST", "/v1/credentials/"+p.id+"/revoke?wait="+provenWithin, map[string]any{}, &out)
	})
	if err != nil {
		return err
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.live = tr.live[1:]
	return nil
}

const provenWithin = "PT0.3S"

// changeRole allows one subject in place of another.
func (tr *trial) changeRole(c *customer) error {
	next := tr.state + 1
	err := c.ask("PATCH", "/v1/roles/"+tr.role, map[string]any{"permissions": map[string]any{"publish": map[string]any{"allow": []string{subjectOf(next)}}}}, nil)
	if err != nil {
		return err
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.state = next
	return nil
}

func subjectOf(state int) string { return fmt.Sprint("state.", state) }

func (tr *trial) makeAccount(c *customer) error {
	own := *c
	var account, user resource
	if err := c.ask("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": fmt.Sprint("a", tr.rounds)}, &account); err != nil {
		return err
	}
	own.account = account.ID
	if err := c.ask("POST", "/v1/accounts/"+account.ID+"/users", map[string]any{"name": "one"}, &user); err != nil {
		return err
	}
	p, err := tr.issue(&own, user.ID)
	if err != nil {
		return err
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.homes = append(tr.homes, p)
	return nil
}

func (tr *trial) deleteAccount(c *customer) error {
	p := tr.homes[0]
	var out proof
	err := tr.prove(p, &out, func() error { return c.ask("DELETE", "/v1/accounts/"+p.account+"?wait="+provenWithin, nil, &out) })
	if err != nil {
		return err
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.homes = tr.homes[1:]
	return nil
}

// prove makes a change after which the pass must not be let in any more, and
// holds every broker to what the proof says of it. A broker that the change
// could not reach all the while must be named as one that did not confirm.
func (tr *trial) prove(p pass, out *proof, change func() error) error {
	before := tr.apart()
	if err := change(); err != nil {
		return err
	}
	after := tr.apart()
	tr.mu.Lock()
	tr.revoked = append(tr.revoked, revoked{p, out.Revision})
	if p.client != nil {
		tr.closing = append(tr.closing, p.client)
	}
	tr.mu.Unlock()
	if len(out.Brokers) != len(tr.watched) || out.InForce != (len(out.Unconfirmed) == 0) {
		return fmt.Errorf("proof = %+v, of %d brokers", out, len(tr.watched))
	}
	for _, b := range out.Brokers {
		w := tr.watched[b.Broker]
		if b.InForce == slices.Contains(out.Unconfirmed, b.Broker) {
			return fmt.Errorf("proof = %+v says both of %s", out, b.Broker)
		}
		if !b.InForce {
			w.note(func() { w.named++ })
			continue
		}
		if before[w] && after[w] {
			return fmt.Errorf("proof = %+v, but %s can not have heard of it", out, b.Broker)
		}
		w.demand(out.Revision)
	}
	return nil
}

// hearDelivery takes the API at its word about every broker.
func (tr *trial) hearDelivery(c *customer) error {
	var d operatorDelivery
	if err := c.ask("GET", "/v1/operators/"+tr.operator.ID+"/delivery", nil, &d); err != nil {
		return err
	}
	for _, b := range d.Brokers {
		w := tr.watched[b.Broker]
		w.note(func() { w.applied = b.Applied })
		if len(b.Refusals) == 0 { // otherwise it has applied all but those
			w.demand(b.Applied)
		}
	}
	return nil
}

func (w *watched) note(what func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what()
}

// demand says that what was revoked up to that revision must not get in from now on, whatever happens to the broker.
func (w *watched) demand(revision int64) { w.note(func() { w.floor = max(w.floor, revision) }) }

// demandAll demands all revocations that were acknowledged by now.
func (tr *trial) demandAll(w *watched) { w.demand(tr.newest()) }

// newest is the revision of the last revocation that was acknowledged.
func (tr *trial) newest() int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.revoked) == 0 {
		return 0
	}
	return tr.revoked[len(tr.revoked)-1].revision
}

func (tr *trial) apart() map[*watched]bool {
	apart := map[*watched]bool{}
	for _, w := range tr.watched {
		w.note(func() { apart[w] = w.apart })
	}
	return apart
}

func (tr *trial) someHealthy() *watched {
	for _, w := range tr.watched { // in no order
		var suffers bool
		w.note(func() { suffers = w.suffers })
		if !suffers {
			return w
		}
	}
	panic("no broker is left")
}

// hammer tries creds that must not get in, at every broker, until the test ends.
func (tr *trial) hammer() {
	for _, w := range tr.watched {
		tr.t.Cleanup(tr.tryOnAndOn(w, 2, time.Duration(len(tr.watched))*8*time.Millisecond))
	}
}

// tryOnAndOn has so many clients try creds that must not get in, each that often, until stop.
func (tr *trial) tryOnAndOn(w *watched, clients int, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					tr.tryRevoked(w)
				}
			}
		})
	}
	return func() { cancel(); running.Wait() }
}

// tryRevoked tries one of the creds that must not get in, often the newest.
func (tr *trial) tryRevoked(w *watched) {
	var floor int64
	w.note(func() { floor = w.floor })
	tr.mu.Lock()
	n := sort.Search(len(tr.revoked), func(i int) bool { return tr.revoked[i].revision > floor })
	if n == 0 {
		tr.mu.Unlock()
		return
	}
	r := tr.revoked[n-1]
	if rand.IntN(2) == 0 {
		r = tr.revoked[rand.IntN(n)]
	}
	tr.mu.Unlock()
	tr.wantOut(w, r, fmt.Sprintf("by when everything up to %d had to be in force", floor))
}

// wantOut tries a revoked pass once. The broker need not answer.
func (tr *trial) wantOut(w *watched, r revoked, when string) {
	c, err := login(w.node, r.pass)
	if err == nil {
		c.Close()
		tr.t.Errorf("%s let credential %s in, revoked at %d, %s", w.name, r.id, r.revision, when)
	}
	if errors.Is(err, nats.ErrAuthorization) {
		w.note(func() { w.refused++ })
	}
}

// awaitApplied waits until the API says that the brokers have applied what is revoked by now.
func (tr *trial) awaitApplied(what string, brokers []*watched) {
	tr.t.Helper()
	revision := tr.newest()
	for _, w := range brokers {
		eventually(tr.t, fmt.Sprintf("%s to have applied %d, %s", w.name, revision, what), func() error {
			if err := tr.hearDelivery(tr.callers[0]); err != nil {
				return err
			}
			var applied int64
			w.note(func() { applied = w.applied })
			if applied < revision {
				return fmt.Errorf("it has %d", applied)
			}
			return nil
		})
	}
}

// settle waits until everything is in force everywhere, and looks at what that
// means for clients. The writer must have stopped.
func (tr *trial) settle(what string) {
	tr.t.Helper()
	tr.awaitInForce(what)
	if check := tr.callers[0].checkDrift(tr.operator, false); !check.Clean {
		tr.t.Errorf("%s: what brokers hold differs: %+v", what, check)
	}
	for _, gone := range tr.closing {
		wantThrownOut(tr.t, gone)
	}
	tr.closing = nil
	for _, w := range tr.watched {
		tr.demandAll(w)
		for _, r := range tr.revoked[tr.checked:] {
			tr.wantOut(w, r, what)
		}
		for _, p := range slices.Concat(tr.live, tr.homes) {
			tr.mustLogin(w.node, p).Close()
		}
		tr.wantState(w.node)
		select {
		case <-w.steady.closed:
			tr.t.Errorf("%s: %s disconnected a client whose creds hold", what, w.name)
		default:
		}
	}
	tr.checked = len(tr.revoked)
}

func (tr *trial) awaitInForce(what string) {
	tr.t.Helper()
	for _, c := range tr.callers {
		eventually(tr.t, "everything to be in force everywhere, "+what, func() error {
			var d operatorDelivery
			if err := c.ask("GET", "/v1/operators/"+tr.operator.ID+"/delivery", nil, &d); err != nil {
				return err
			}
			for _, b := range d.Brokers {
				if !d.InForce || b.Lag != 0 || !b.Connected || len(b.Refusals) != 0 {
					return fmt.Errorf("delivery = %+v", d)
				}
			}
			return nil
		})
	}
}

// wantState fails unless the role allows at the broker what was acknowledged last, and nothing before.
func (tr *trial) wantState(n *node) {
	tr.t.Helper()
	c := tr.mustLogin(n, tr.standing)
	defer c.Close()
	sub, err := c.SubscribeSync("state.*")
	if err != nil {
		tr.t.Fatal(err)
	}
	for state := max(0, tr.state-1); state <= tr.state; state++ {
		if err := c.Publish(subjectOf(state), nil); err != nil {
			tr.t.Fatal(err)
		}
	}
	if m, err := sub.NextMsg(patience); err != nil || m.Subject != subjectOf(tr.state) {
		tr.t.Errorf("%s lets a role of state %d publish: %v, %v", n.name, tr.state, m, err)
	}
}
