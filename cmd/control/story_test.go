package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// client is a connection with what became of it.
type client struct {
	*nats.Conn
	closed chan struct{} // closed when the server has ended the connection and it was not let in again
}

// connect logs in with a creds file, and gives up for good once the server has
// thrown it out and refused it.
func connect(t *testing.T, url, creds string) (*client, error) {
	t.Helper()
	c := &client{closed: make(chan struct{})}
	nc, err := nats.Connect(url, nats.UserCredentials(creds), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.MaxReconnects(-1), nats.Timeout(5*time.Second),
		nats.IgnoreDiscoveredServers(), // thrown out, it must not slip into another server that is only hearing of it
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }))
	if err != nil {
		return nil, err
	}
	t.Cleanup(nc.Close)
	c.Conn = nc
	return c, nil
}

func mustConnect(t *testing.T, url, creds string) *client {
	t.Helper()
	c, err := connect(t, url, creds)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// eventuallyConnect is for when control is back: until the broker has heard what
// it missed, it lets nobody in.
func eventuallyConnect(t *testing.T, url, creds string) *client {
	t.Helper()
	var c *client
	eventually(t, "the broker to have heard what it missed", func() (err error) {
		c, err = connect(t, url, creds)
		return err
	})
	return c
}

// wantRefused fails unless a login is refused for who it is. A server that
// closes the connection while the client still writes makes that a broken pipe
// for the client; then it asks again. It must never be let in.
func wantRefused(t *testing.T, url, creds string) {
	t.Helper()
	eventually(t, "the login to be refused", func() error {
		c, err := connect(t, url, creds)
		if err == nil {
			c.Close()
			t.Fatal("the login was let in")
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return nil
		}
		return err
	})
}

// wantThrownOut fails unless the server ends the connection and does not let it return.
func wantThrownOut(t *testing.T, c *client) {
	t.Helper()
	select {
	case <-c.closed:
	case <-time.After(patience):
		t.Fatal("the connection is still open")
	}
}

// wantEcho fails unless a message published on the connection comes back on it.
func wantEcho(t *testing.T, c *client) {
	t.Helper()
	subject := nats.NewInbox()
	sub, err := c.SubscribeSync(subject)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := c.Publish(subject, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.NextMsg(patience); err != nil {
		t.Fatalf("no message came back: %v", err)
	}
}

func TestTenantsWithTheSameNamesNeverMeet(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	type side struct {
		*client
		js  jetstream.JetStream
		sub *nats.Subscription
		all *nats.Subscription
	}
	var sides []side
	for _, name := range []string{"north", "south"} {
		who := s.signUp(name)
		c := mustConnect(t, s.nats, who.issue(who.user("worker", "").ID).file)
		js, err := jetstream.New(c.Conn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
			t.Fatalf("%s: create stream: %v", name, err)
		}
		all, err := c.SubscribeSync(">")
		if err != nil {
			t.Fatal(err)
		}
		sub, err := c.QueueSubscribeSync("orders.*", "workers")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		sides = append(sides, side{c, js, sub, all})
	}
	for i, me := range sides {
		other := sides[1-i]
		for n := range 20 {
			if _, err := me.js.Publish(t.Context(), "orders.new", fmt.Appendf(nil, "%d from %d", n, i)); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 20 { // each queue group has one member: it must get all, not half
			m, err := me.sub.NextMsg(patience)
			if err != nil || string(m.Data) != fmt.Sprintf("%d from %d", n, i) {
				t.Fatalf("message %d of side %d: %v, %v", n, i, m, err)
			}
		}
		if err := other.Flush(); err != nil { // whatever crossed would have arrived before the answer
			t.Fatal(err)
		}
		if n, _, _ := other.sub.Pending(); n != 0 {
			t.Errorf("%d messages of side %d reached the other's queue group", n, i)
		}
		stream, err := me.js.Stream(t.Context(), "ORDERS")
		if err != nil {
			t.Fatal(err)
		}
		if got := stream.CachedInfo().State.Msgs; got != 20 {
			t.Errorf("side %d's stream holds %d messages, want its own 20", i, got)
		}
		if i == 0 {
			stream, err := other.js.Stream(t.Context(), "ORDERS")
			if err != nil {
				t.Fatal(err)
			}
			if got := stream.CachedInfo().State.Msgs; got != 0 {
				t.Errorf("the other's stream holds %d messages of side %d", got, i)
			}
			if n, _, _ := other.all.Pending(); n != 0 {
				for range n {
					if m, err := other.all.NextMsg(time.Second); err == nil && m.Subject == "orders.new" {
						t.Errorf("the other's wildcard saw %s: %s", m.Subject, m.Data)
					}
				}
			}
		}
	}
}

func TestRevokingEndsOneCredentialAndNoOther(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("revoker")
	user := c.user("device", "")
	lost, kept := c.issue(user.ID), c.issue(user.ID)
	gone, stays := mustConnect(t, s.nats, lost.file), mustConnect(t, s.nats, kept.file)
	overWS := mustConnect(t, s.ws, lost.file)

	var after resource
	c.must("POST", "/v1/credentials/"+lost.ID+"/revoke", map[string]any{"reason": "lost"}, &after)
	if after.Status != "revoked" {
		t.Errorf("status = %q, want revoked", after.Status)
	}
	wantThrownOut(t, gone)
	wantThrownOut(t, overWS)
	c.inForce()
	wantRefused(t, s.nats, lost.file)
	wantRefused(t, s.ws, lost.file)
	wantEcho(t, stays)
	wantEcho(t, mustConnect(t, s.nats, kept.file))
}

func TestDeletingAUserOrAnAccountEndsAllOfTheirs(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("deleter")
	doomed, other := c.user("doomed", ""), c.user("other", "")
	a, b, o := c.issue(doomed.ID), c.issue(doomed.ID), c.issue(other.ID)
	first, second, third := mustConnect(t, s.nats, a.file), mustConnect(t, s.ws, b.file), mustConnect(t, s.nats, o.file)

	c.must("DELETE", "/v1/users/"+doomed.ID, nil, nil)
	wantThrownOut(t, first)
	wantThrownOut(t, second)
	c.inForce()
	wantRefused(t, s.nats, a.file)
	wantRefused(t, s.nats, b.file)
	wantEcho(t, third)

	c.must("DELETE", "/v1/accounts/"+c.account+"?undo=PT0S", nil, nil)
	wantThrownOut(t, third)
	eventually(t, "the account's creds to be refused", func() error {
		_, err := connect(t, s.nats, o.file)
		if errors.Is(err, nats.ErrAuthorization) {
			return nil
		}
		return fmt.Errorf("login: %w", err)
	})
	for _, path := range []string{"/v1/accounts/" + c.account, "/v1/users/" + other.ID, "/v1/credentials/" + o.ID} {
		eventually(t, path+" to be gone", func() error {
			if status, body, err := c.call("GET", path, nil); status != http.StatusNotFound {
				return fmt.Errorf("GET: %d %s %w, want 404", status, body, err)
			}
			return nil
		})
	}
}

func TestARoleHoldsForCredsThatAreOutAlready(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("roles")
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "browser", "connection_types": []string{"WEBSOCKET"},
		"permissions": map[string]any{"publish": map[string]any{"allow": []string{"first.>"}}}}, &role)
	creds := c.issue(c.user("page", role.ID).ID)
	c.inForce()
	wantRefused(t, s.nats, creds.file)
	ws := mustConnect(t, s.ws, creds.file)

	refused := make(chan error, 16)
	ws.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
	sub, err := ws.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	wantAllowed := func(subject string) {
		t.Helper()
		if err := ws.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		if m, err := sub.NextMsg(patience); err != nil || m.Subject != subject {
			t.Fatalf("publish to %s: got %v, %v", subject, m, err)
		}
	}
	wantDenied := func(subject string) {
		t.Helper()
		if err := ws.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Fatalf("publish to %s: %v", subject, err)
			}
		case <-time.After(patience):
			t.Fatalf("publish to %s was not refused", subject)
		}
	}
	wantAllowed("first.a")
	wantDenied("second.a")

	c.must("PATCH", "/v1/roles/"+role.ID, map[string]any{"permissions": map[string]any{"publish": map[string]any{"allow": []string{"second.>"}}}}, nil)
	c.inForce()
	// nats-server ends the connections of a changed signing key, so that they
	// log in again under the new template; the client does so by itself.
	eventually(t, "the client to be back", func() error {
		if !ws.IsConnected() {
			return errors.New("it is not")
		}
		return ws.FlushTimeout(time.Second)
	})
	wantAllowed("second.a")
	wantDenied("first.a")

	c.must("PATCH", "/v1/roles/"+role.ID, map[string]any{"connection_types": []string{"STANDARD"}}, nil)
	wantThrownOut(t, ws)
	c.inForce()
	wantEcho(t, mustConnect(t, s.nats, c.issue(c.user("other", "").ID).file))
	if _, err := connect(t, s.nats, creds.file); err != nil {
		t.Errorf("over nats, which is allowed now: %v", err)
	}
}

// burst creates accounts, each with a user and a credential, from several
// callers until told to stop, and keeps what was acknowledged.
type burst struct {
	mu    sync.Mutex
	acked []issued
	stop  context.CancelFunc
	done  sync.WaitGroup
}

func startBurst(t *testing.T, c *customer) *burst {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := &burst{stop: cancel}
	for worker := range 4 {
		b.done.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c.tryCreate(fmt.Sprintf("w%d-%d", worker, n), func(made issued) {
					b.mu.Lock()
					defer b.mu.Unlock()
					b.acked = append(b.acked, made)
				})
			}
		})
	}
	return b
}

func (b *burst) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.acked)
}

func (b *burst) awaitCount(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d creates to be acknowledged", n), func() error {
		if got := b.count(); got < n {
			return fmt.Errorf("%d", got)
		}
		return nil
	})
}

func TestKillingControlLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	s.killDuringBurst(func() {
		s.control.kill()
		s.startControl()
	})
}

func TestKillingTheBrokerLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	s.killDuringBurst(func() {
		s.broker.kill()
		s.startBroker()
	})
}

// killDuringBurst strikes three times while accounts are being made, and fails
// unless all that was acknowledged is there and works.
func (s *stack) killDuringBurst(strike func()) {
	s.t.Helper()
	s.unlimited()
	c := s.signUp("burst")
	b := startBurst(s.t, c)
	total := 0
	for range 3 {
		b.awaitCount(s.t, total+15)
		strike()
		total = b.count()
	}
	b.awaitCount(s.t, total+5)
	b.stop()
	b.done.Wait()
	s.awaitBroker()
	c.wantAllWork(s, b.acked)
}

func TestControlStoppedLeavesClientsAndKnownAccountsAlone(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("steady")
	creds := c.issue(c.user("one", "").ID)
	c.inForce()
	connected := mustConnect(t, s.nats, creds.file)
	s.control.stop()
	wantEcho(t, connected)
	wantEcho(t, mustConnect(t, s.nats, creds.file))

	// The broker comes back without control, too.
	s.broker.stop()
	s.startBroker()
	s.awaitBroker()
	wantEcho(t, mustConnect(t, s.nats, creds.file))

	// And what happens once control is back takes effect again.
	s.startControl()
	revoked := eventuallyConnect(t, s.nats, creds.file)
	c.must("POST", "/v1/credentials/"+creds.ID+"/revoke", map[string]any{}, nil)
	wantThrownOut(t, revoked)
}

func TestControlRecoversFromPostgresGoingAway(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("outage")
	creds := c.issue(c.user("one", "").ID)
	c.inForce()
	if err := s.postgres.Stop(); err != nil {
		t.Fatal(err)
	}
	status, body, err := c.call("GET", "/v1/accounts/"+c.account, nil)
	if err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("without Postgres: %d %s %v, want 503", status, body, err)
	}
	wantEcho(t, mustConnect(t, s.nats, creds.file))
	if err := s.postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.awaitReady()
	connected := eventuallyConnect(t, s.nats, creds.file)
	c.must("POST", "/v1/credentials/"+creds.ID+"/revoke", map[string]any{}, nil)
	wantThrownOut(t, connected)
	select {
	case <-s.control.done:
		t.Errorf("control ended: %v", s.control.err)
	default:
	}
}

func TestRevokedWhileTheBrokerWasDownIsOutOnceItHasCaughtUp(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("downtime")
	creds := c.issue(c.user("one", "").ID)
	c.inForce()
	mustConnect(t, s.nats, creds.file).Close()
	s.broker.kill()
	c.must("POST", "/v1/credentials/"+creds.ID+"/revoke", map[string]any{}, nil)
	s.startBroker()
	c.inForce()
	wantRefused(t, s.nats, creds.file)
}
