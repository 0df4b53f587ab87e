package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/resolver"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// station is an unmodified nats-server that is in no cluster with a broker. It
// can be stopped and started again on the same data and ports.
type station struct {
	t      *testing.T
	name   string
	dir    string
	port   string
	extra  string // more configuration
	member string // what control says makes it a member
	server *server.Server
}

func (s *stack) startStation(name, member, extra string) *station {
	s.t.Helper()
	st := &station{t: s.t, name: name, dir: s.t.TempDir(), port: freePorts(s.t, 1)[0], extra: extra, member: member}
	st.start()
	s.t.Cleanup(st.stop)
	return st
}

func (st *station) url() string { return "nats://127.0.0.1:" + st.port }

// store is the folder of the full resolver.
func (st *station) store() string { return filepath.Join(st.dir, "jwt") }

func (st *station) start() {
	st.t.Helper()
	member := strings.ReplaceAll(st.member, `"./jwt"`, fmt.Sprintf("%q", st.store()))
	file := filepath.Join(st.dir, "nats.conf")
	text := fmt.Sprintf("server_name: %s\nlisten: 127.0.0.1:%s\n%s\n%s", st.name, st.port, st.extra, member)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		st.t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(file)
	if err != nil {
		st.t.Fatalf("read the configuration of %s: %v\n%s", st.name, err, text)
	}
	options.NoSigs, options.NoLog = true, true
	if st.server, err = server.NewServer(options); err != nil {
		st.t.Fatalf("start %s: %v", st.name, err)
	}
	go st.server.Start()
	if !st.server.ReadyForConnections(patience) {
		st.t.Fatalf("%s is not ready", st.name)
	}
}

func (st *station) stop() {
	st.server.Shutdown()
	st.server.WaitForShutdown()
}

// wantAll fails unless the server stores exactly what control holds.
func (st *station) wantAll(s *stack, operator string) {
	st.t.Helper()
	want, err := s.openDomain().PackHash(st.t.Context(), tenants.OperatorID(operator))
	if err != nil {
		st.t.Fatal(err)
	}
	if got := st.server.AccountResolver().(*server.DirAccResolver).Hash(); got != want {
		st.t.Errorf("%s stores other claims than control holds: hash = %x, want %x", st.name, got, want)
	}
}

// attach attaches a server, or a cluster, and answers its id.
func (c *customer) attach(operator, name string, stations ...*station) string {
	c.t.Helper()
	var urls []string
	for _, st := range stations {
		urls = append(urls, st.url())
	}
	var attached resource
	c.must("POST", "/v1/operators/"+operator+"/servers", map[string]any{"name": name, "urls": urls}, &attached)
	return attached.ID
}

// recipient is an attached server's line in the operator's delivery.
type recipient struct {
	Kind      string
	Broker    string
	Lag       int64
	Connected bool
	LastError *string `json:"last_error"`
	Refusals  []struct {
		Account string `json:"account_public_key"`
		Reason  string
	}
}

func (c *customer) recipient(operator, name string) recipient {
	c.t.Helper()
	var d struct{ Brokers []recipient }
	c.must("GET", "/v1/operators/"+operator+"/delivery", nil, &d)
	for _, r := range d.Brokers {
		if r.Kind == "server" && r.Broker == name {
			return r
		}
	}
	c.t.Fatalf("delivery = %+v, without %s", d, name)
	return recipient{}
}

func (c *customer) awaitRecipient(operator, name, what string, is func(recipient) bool) {
	c.t.Helper()
	eventually(c.t, what, func() error {
		if r := c.recipient(operator, name); !is(r) {
			return fmt.Errorf("delivery = %+v", r)
		}
		return nil
	})
}

func upToDate(r recipient) bool { return r.Connected && r.Lag == 0 && len(r.Refusals) == 0 }

type serverMembers struct {
	Members []struct {
		Name    string
		Away    bool
		Applied int64 `json:"applied_revision"`
	}
}

func (c *customer) members(id string) serverMembers {
	c.t.Helper()
	var v serverMembers
	c.must("GET", "/v1/servers/"+id, nil, &v)
	return v
}

func TestAttachedServerIsKeptUpToDate(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	s.unlimited()
	c := s.signUp("attacher")
	operator := c.asStaff(s).ID
	st := s.startStation("edge-1", c.serverConfig(operator, "full"), "")
	user := c.user("device", "")
	id := c.attach(operator, "edge", st)
	c.inForce() // at the broker and there
	c.awaitRecipient(operator, "edge", "the server to be up to date", upToDate)

	lost, kept := c.issue(user.ID), c.issue(user.ID)
	gone, stays := mustConnect(t, st.url(), lost.file), mustConnect(t, st.url(), kept.file)
	p := c.revokeAndWait(lost.ID, "PT30S")
	if !p.InForce || len(p.Brokers) != 2 || p.Brokers[1].Broker != "edge" || p.Brokers[1].Milliseconds == nil {
		t.Errorf("proof = %+v, want it confirmed by the broker and by edge", p)
	}
	wantThrownOut(t, gone)
	wantRefused(t, st.url(), lost.file)
	wantEcho(t, stays)

	t.Run("an outage", func(t *testing.T) {
		st.stop()
		c.awaitRecipient(operator, "edge", "control to notice", func(r recipient) bool { return !r.Connected && r.LastError != nil })
		if p := c.revokeAndWait(kept.ID, "PT0.2S"); p.InForce || len(p.Unconfirmed) != 1 || p.Unconfirmed[0] != "edge" {
			t.Errorf("proof = %+v, want edge named as unconfirmed", p)
		}
		for i := range 250 { // more than a batch
			c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": fmt.Sprint("later", i)}, nil)
		}
		if r := c.recipient(operator, "edge"); r.Lag < 251 {
			t.Errorf("delivery = %+v, want edge to lag by what it missed", r)
		}
		st.start()
		c.awaitRecipient(operator, "edge", "the server to catch up", upToDate)
		st.wantAll(s, operator)
		wantRefused(t, st.url(), kept.file)
	})
	t.Run("many changes at once", func(t *testing.T) {
		var burst errgroup.Group
		for range 40 {
			id := c.issue(user.ID).ID
			burst.Go(func() error {
				status, body, err := c.call("POST", "/v1/credentials/"+id+"/revoke", map[string]any{})
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("revoke: %d %s", status, body)
				}
				return err
			})
		}
		if err := burst.Wait(); err != nil {
			t.Fatal(err)
		}
		c.awaitRecipient(operator, "edge", "the server to be up to date", upToDate)
		st.wantAll(s, operator)
	})
	t.Run("another replica takes the lead", func(t *testing.T) {
		other := *c
		_, other.url = s.startReplica()
		s.control.kill()
		one := other.issue(user.ID)
		mustConnect(t, st.url(), one.file)
		if p := other.revokeAndWait(one.ID, "PT30S"); !p.InForce {
			t.Errorf("proof = %+v, want it in force", p)
		}
		wantRefused(t, st.url(), one.file)
		s.startControl()
	})
	t.Run("moved to a port where nobody is", func(t *testing.T) {
		c.must("PATCH", "/v1/servers/"+id, map[string]any{"urls": []string{"nats://127.0.0.1:" + freePorts(t, 1)[0]}}, nil)
		c.awaitRecipient(operator, "edge", "control to say so", func(r recipient) bool { return !r.Connected && r.LastError != nil && r.Lag > 0 })
		if v := c.members(id); len(v.Members) != 0 {
			t.Errorf("members = %+v, want none known there", v)
		}
		c.must("PATCH", "/v1/servers/"+id, map[string]any{"urls": []string{st.url()}}, nil)
		c.awaitRecipient(operator, "edge", "the server to be up to date again", upToDate)
	})
	t.Run("detached", func(t *testing.T) {
		c.must("DELETE", "/v1/servers/"+id, nil, nil)
		if p := c.revokeAndWait(c.issue(user.ID).ID, "PT30S"); !p.InForce || len(p.Brokers) != 1 {
			t.Errorf("proof = %+v, want the broker alone", p)
		}
		eventually(t, "control to hang up", func() error {
			if n := st.server.NumClients(); n != 0 {
				return fmt.Errorf("%d clients", n)
			}
			return nil
		})
	})
}

// A server cannot write, so that it refuses what it is sent. That is seen, said
// once in the log, holds up nothing else, and is over when the server can.
func TestARefusalOfAnAttachedServerIsSeenUntilItIsOver(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("refused")
	operator := c.asStaff(s).ID
	st := s.startStation("edge-1", c.serverConfig(operator, "full"), "")
	c.attach(operator, "edge", st)
	c.awaitRecipient(operator, "edge", "the server to be up to date", upToDate)
	var account resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &account)

	file := filepath.Join(st.store(), account.PublicKey+".jwt")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	p := c.revokeAndWait(c.issue(c.user("device", "").ID).ID, "PT2S")
	if p.InForce || len(p.Unconfirmed) != 1 || p.Unconfirmed[0] != "edge" {
		t.Errorf("proof = %+v, want edge named as unconfirmed", p)
	}
	c.awaitRecipient(operator, "edge", "the refusal to show", func(r recipient) bool {
		return len(r.Refusals) == 1 && r.Refusals[0].Account == account.PublicKey && strings.Contains(r.Refusals[0].Reason, "edge-1: jwt update resulted in error")
	})
	var d struct {
		InForce bool `json:"in_force"`
		Brokers []struct{ Kind, Refusal string }
	}
	if c.must("GET", "/v1/accounts/"+c.account+"/delivery", nil, &d); d.InForce || d.Brokers[1].Kind != "server" || d.Brokers[1].Refusal == "" {
		t.Errorf("the account's delivery = %+v, want the refusal", d)
	}
	var other resource
	c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": "other"}, &other)
	c.awaitInForce(other.ID)

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	c.awaitRecipient(operator, "edge", "the refusal to be over", upToDate)
	c.inForce()
	if n := strings.Count(s.control.output(), "an attached server refused an account's claims"); n != 1 {
		t.Errorf("the log says %d times that a server refused claims, want once", n)
	}
}

// A full resolver says "updated" though its disk keeps nothing, and the claims
// do not come into force. Reading them back tells.
func TestWhatAnAttachedServerSaysIsReadBack(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("doubter")
	operator := c.asStaff(s).ID
	st := s.startStation("edge-1", c.serverConfig(operator, "full"), "")
	var used, idle resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &used)
	c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": "idle"}, &idle)
	c.attach(operator, "edge", st)
	c.awaitRecipient(operator, "edge", "the server to be up to date", upToDate)
	user := c.user("device", "")
	lost := c.issue(user.ID)
	mustConnect(t, st.url(), lost.file)

	for _, a := range []resource{used, idle} {
		file := filepath.Join(st.store(), a.PublicKey+".jwt")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(os.DevNull, file); err != nil {
			t.Fatal(err)
		}
	}
	if p := c.revokeAndWait(lost.ID, "PT1S"); p.InForce {
		t.Errorf("proof = %+v, though nothing came into force", p)
	}
	c.must("PATCH", "/v1/accounts/"+idle.ID, map[string]any{"limits": map[string]any{"connections": 1}}, nil)
	reasons := map[string]string{used.PublicKey: "has others in force", idle.PublicKey: "other claims are stored"}
	c.awaitRecipient(operator, "edge", "both to be refused, each for its reason", func(r recipient) bool {
		for _, f := range r.Refusals {
			if !strings.Contains(f.Reason, reasons[f.Account]) {
				return false
			}
		}
		return len(r.Refusals) == 2
	})
	for account := range reasons {
		if err := os.Remove(filepath.Join(st.store(), account+".jwt")); err != nil {
			t.Fatal(err)
		}
	}
	// The server believes that it holds these claims, and takes only others.
	c.revokeAndWait(c.issue(user.ID).ID, "PT0S")
	c.must("PATCH", "/v1/accounts/"+idle.ID, map[string]any{"limits": map[string]any{"connections": 2}}, nil)
	c.awaitRecipient(operator, "edge", "the refusals to be over", upToDate)
	wantRefused(t, st.url(), lost.file)
}

// A server of another operator lets control not in.
func TestAServerOfAnotherOperatorIsAVisibleFailure(t *testing.T) {
	t.Parallel()
	s, foreign := startStack(t), startStack(t)
	c, stranger := s.signUp("misled"), foreign.signUp("stranger")
	operator := c.asStaff(s).ID
	st := foreign.startStation("theirs", stranger.serverConfig(stranger.asStaff(foreign).ID, "full"), "")
	c.attach(operator, "edge", st)
	c.awaitRecipient(operator, "edge", "control to say that it is not let in", func(r recipient) bool {
		return !r.Connected && r.Lag > 0 && r.LastError != nil && strings.Contains(*r.LastError, "Authorization Violation")
	})
	if p := c.revokeAndWait(c.issue(c.user("device", "").ID).ID, "PT0.2S"); p.InForce || len(p.Unconfirmed) != 1 || p.Unconfirmed[0] != "edge" {
		t.Errorf("proof = %+v, want edge named as unconfirmed", p)
	}
}

// One of a cluster's two servers is down: the other is kept up to date, and
// nothing counts as in force before the first is back and has it all.
func TestAnAttachedClusterIsUpToDateWhenAllOfItIs(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("clustered")
	operator := c.asStaff(s).ID
	member, routes := c.serverConfig(operator, "full"), freePorts(t, 2)
	join := func(i int) string {
		return fmt.Sprintf("cluster { name: edge, listen: 127.0.0.1:%s, routes: [\"nats://127.0.0.1:%s\"] }", routes[i], routes[1-i])
	}
	first, second := s.startStation("edge-1", member, join(0)), s.startStation("edge-2", member, join(1))
	id := c.attach(operator, "edge", first, second)
	eventually(t, "both servers to be found and up to date", func() error {
		if v := c.members(id); len(v.Members) != 2 || v.Members[0].Away || v.Members[1].Away || !upToDate(c.recipient(operator, "edge")) {
			return fmt.Errorf("members = %+v", v)
		}
		return nil
	})
	user := c.user("device", "")
	lost := c.issue(user.ID)
	clients := []*client{mustConnect(t, first.url(), lost.file), mustConnect(t, second.url(), lost.file)}
	if p := c.revokeAndWait(lost.ID, "PT30S"); !p.InForce {
		t.Errorf("proof = %+v, want both to have confirmed", p)
	}
	for _, gone := range clients {
		wantThrownOut(t, gone)
	}

	second.stop()
	eventually(t, "its absence to show", func() error {
		if v := c.members(id); !v.Members[1].Away {
			return fmt.Errorf("members = %+v", v)
		}
		return nil
	})
	next := c.issue(user.ID)
	gone := mustConnect(t, first.url(), next.file)
	if p := c.revokeAndWait(next.ID, "PT0.5S"); p.InForce || len(p.Unconfirmed) != 1 {
		t.Errorf("proof = %+v, want edge named as unconfirmed", p)
	}
	wantThrownOut(t, gone)
	wantRefused(t, first.url(), next.file)
	eventually(t, "the book to say which server is behind", func() error {
		if m := c.members(id).Members; m[0].Applied <= m[1].Applied {
			return fmt.Errorf("members = %+v", m)
		}
		return nil
	})
	second.start()
	c.inForce()
	wantRefused(t, second.url(), next.file)
}

// Servers without a store of all accounts confirm what is in use there, and get
// the rest when it comes into use.
func TestAttachedServersMayHaveAnyResolver(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("resolver")
	operator := c.asStaff(s).ID
	user := c.user("device", "")
	for _, kind := range []string{"cache", "url", "memory"} {
		st := s.startStation(kind+"-1", c.serverConfig(operator, kind), "")
		c.attach(operator, kind, st)
		c.awaitRecipient(operator, kind, "the server to be up to date", upToDate)
		lost := c.issue(user.ID)
		gone := mustConnect(t, st.url(), lost.file)
		if p := c.revokeAndWait(lost.ID, "PT30S"); !p.InForce {
			t.Errorf("%s: proof = %+v, want it in force", kind, p)
		}
		wantThrownOut(t, gone)
		wantRefused(t, st.url(), lost.file)
	}
}

// A broker in the same cluster answers no courier, and none waits for it.
func TestAServerInTheBrokersClusterCanBeAttached(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("mixed")
	operator := c.asStaff(s).ID
	st := s.startStation("stock", c.serverConfig(operator, "full"),
		fmt.Sprintf("cluster { name: mixed, listen: \"127.0.0.1:-1\", routes: [\"nats://127.0.0.1:%s\"] }", s.ports[2]))
	s.awaitMember(operator, "stock")
	id := c.attach(operator, "edge", st)
	c.awaitRecipient(operator, "edge", "the server to be up to date", upToDate)
	if v := c.members(id); len(v.Members) != 1 || v.Members[0].Name != "stock" {
		t.Errorf("members = %+v, want the stock server alone", v)
	}
	if p := c.revokeAndWait(c.issue(c.user("device", "").ID).ID, "PT30S"); !p.InForce || len(p.Brokers) != 2 {
		t.Errorf("proof = %+v, want it confirmed by both", p)
	}
}

// An attached server that control may do more on than it must would be a hole.
func TestCouriersAreGivenNoWayToDoHarm(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("careful")
	operator := c.asStaff(s).ID
	st := s.startStation("edge-1", c.serverConfig(operator, "full"), "")
	nc := s.systemUserWith(operator, st.url(), resolver.CourierPermissions())
	for _, subject := range []string{"$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.SERVER." + st.server.ID() + ".RELOAD", "$SYS.REQ.SERVER.PING.CONNZ", "signalbox.head"} {
		if err := nc.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := nc.LastError(); err == nil || !strings.Contains(err.Error(), strings.ToLower(subject)) && !strings.Contains(err.Error(), subject) {
			t.Errorf("publishing on %s: %v, want it refused", subject, err)
		}
	}
	status, body, err := c.call("POST", "/v1/operators/"+operator+"/servers", map[string]any{"name": "edge", "urls": []string{"nats://u:hunter2@127.0.0.1:4222"}})
	if err != nil || status != http.StatusBadRequest || strings.Contains(string(body), "hunter2") {
		t.Errorf("a URL with a password: %d %s, %v", status, body, err)
	}
}
