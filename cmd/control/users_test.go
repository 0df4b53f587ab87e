//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// role makes a role in the customer's account, of these settings.
func (c *customer) role(name string, settings map[string]any) resource {
	c.t.Helper()
	settings["name"] = name
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", settings, &role)
	return role
}

func mayPublish(subjects ...string) map[string]any {
	return map[string]any{"publish": map[string]any{"allow": subjects}}
}

// moving is a client that is thrown out by changes, and comes back by itself.
type moving struct {
	*client
	out, back  chan time.Time
	violations <-chan error
}

func (c *client) moving() *moving {
	m := &moving{client: c, out: make(chan time.Time, 100), back: make(chan time.Time, 100), violations: violationsOf(c)}
	c.SetDisconnectErrHandler(func(*nats.Conn, error) { m.out <- time.Now() })
	c.SetReconnectHandler(func(*nats.Conn) { m.back <- time.Now() })
	return m
}

func soon(t *testing.T, what string, at <-chan time.Time) time.Time {
	t.Helper()
	select {
	case when := <-at:
		return when
	case <-time.After(patience):
		t.Fatalf("waited %v for the client to be %s", patience, what)
		return time.Time{}
	}
}

// A user's creds file stays what it is, and its clients stay connected to three
// brokers. What they may do changes with its role, its tags, its own permissions
// and its role's edits, within a second; and nobody else notices.
func TestUserEditsHoldForLiveClientsEverywhereWithinASecond(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 1)
	c := f.signUp("mover")
	a, b := c.role("a", map[string]any{"permissions": mayPublish("a.>")}), c.role("b", map[string]any{"permissions": mayPublish("b.>")})
	tagged := c.role("tagged", map[string]any{"permissions": mayPublish("{{tag(team)}}.>")})
	user := c.user("worker", a.ID)
	creds, other, open := c.issue(user.ID), c.issue(c.user("neighbour", a.ID).ID), c.issue(c.user("listener", "").ID)
	c.inForce()
	var disturbed atomic.Int64
	var clients []*moving
	for _, n := range f.brokers {
		clients = append(clients, mustConnect(t, n.nats, creds.file).moving())
		mustConnect(t, n.nats, other.file).SetDisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // not the test's end
				disturbed.Add(1)
			}
		})
	}
	listener := mustConnect(t, f.brokers[0].nats, open.file)
	heard, err := listener.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Flush(); err != nil {
		t.Fatal(err)
	}

	took := map[string][]time.Duration{}
	change := func(what, path string, in map[string]any, may, mayNot string) {
		t.Helper()
		start := time.Now()
		c.must("PATCH", path, in, nil)
		var out, back time.Duration
		for _, m := range clients {
			out = max(out, soon(t, "thrown out by "+what, m.out).Sub(start))
			back = max(back, soon(t, "back after "+what, m.back).Sub(start))
		}
		took[what+": thrown out of 3 brokers"] = append(took[what+": thrown out of 3 brokers"], out)
		took[what+": back with what holds now"] = append(took[what+": back with what holds now"], back)
		for i, m := range clients {
			wantViolation(t, m.client, m.violations, mayNot)
			subject := fmt.Sprintf("%s.%d", may, i)
			if err := m.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
			for got := ""; got != subject; {
				msg, err := heard.NextMsg(patience)
				if err != nil {
					t.Fatalf("%s is not heard after %s: %v", subject, what, err)
				}
				got = msg.Subject
			}
		}
	}
	path := "/v1/users/" + user.ID
	const rounds = 10
	for range rounds {
		change("a move", path, map[string]any{"role_id": b.ID}, "b", "a.x")
		change("a move", path, map[string]any{"role_id": a.ID}, "a", "b.x")
	}
	change("a move", path, map[string]any{"role_id": tagged.ID, "tags": []string{"team:red"}}, "red", "a.x")
	for range rounds {
		change("other tags", path, map[string]any{"tags": []string{"team:blue"}}, "blue", "red.x")
		change("other tags", path, map[string]any{"tags": []string{"team:red", "team:green"}}, "green", "blue.x")
	}
	change("permissions of its own", path, map[string]any{"permissions": mayPublish("own.0.>")}, "own.0", "red.x")
	for i := range rounds {
		change("permissions of its own", path, map[string]any{"permissions": mayPublish(fmt.Sprintf("own.%d.>", i+1))}, fmt.Sprintf("own.%d", i+1), fmt.Sprintf("own.%d.x", i))
	}
	change("a move", path, map[string]any{"role_id": b.ID}, "b", "own.10.x")
	for i := range rounds {
		change("an edit of its role", "/v1/roles/"+b.ID, map[string]any{"permissions": mayPublish(fmt.Sprintf("b.%d.>", i))}, fmt.Sprintf("b.%d", i), "b.x")
	}
	if n := disturbed.Load(); n != 0 {
		t.Errorf("%d connections of another user were ended", n)
	}
	for what, list := range took {
		slices.Sort(list)
		longest := list[len(list)-1]
		t.Logf("%s: p50 %v, max %v of %d", what, list[len(list)/2].Round(time.Millisecond), longest.Round(time.Millisecond), len(list))
		if longest > time.Second {
			t.Errorf("%s: took %v", what, longest)
		}
	}
}

// Credentials from before a move are good on brokers, and refused by servers that
// cannot know of the move. What a role restricts, both restrict.
func TestRolesAndUsersOnBrokersAndStockServers(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("mover")
	operator := c.asStaff(s).ID
	stock := s.startStock(operator, "stock", t.TempDir(), c.serverConfig(operator, "full"))
	urls := map[string]string{"a broker": s.nats, "a stock server": stock.ClientURL()}
	open := c.issue(c.user("open", "").ID)
	in := func(role resource) issued { return c.issue(c.user("in-"+role.Name, role.ID).ID) }
	everywhere := func(name string, try func(t *testing.T, url string)) {
		t.Helper()
		c.inForce()
		for where, url := range urls {
			eventuallyConnect(t, url, open.file).Close()
			t.Run(name+" on "+where, func(t *testing.T) { try(t, url) })
		}
	}

	now := time.Now()
	auckland, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	clock := func(in time.Duration) string { return now.In(auckland).Add(in).Format(time.TimeOnly) }
	hours := func(name string, from, to time.Duration) issued {
		return in(c.role(name, map[string]any{"time_zone": "Pacific/Auckland", "times": []any{map[string]any{"start": clock(from), "end": clock(to)}}}))
	}
	open1, shut := hours("at-work", -time.Hour, time.Hour), hours("off-duty", time.Hour, 2*time.Hour)
	near, far := in(c.role("near", map[string]any{"source_networks": []string{"127.0.0.0/8"}})), in(c.role("far", map[string]any{"source_networks": []string{"192.0.2.0/24"}}))
	everywhere("hours and networks", func(t *testing.T, url string) {
		wantEcho(t, eventuallyConnect(t, url, open1.file))
		wantRefused(t, url, shut.file)
		wantEcho(t, eventuallyConnect(t, url, near.file))
		wantRefused(t, url, far.file)
	})

	queues := in(c.role("worker", map[string]any{"permissions": map[string]any{"subscribe": map[string]any{"allow": []string{"jobs.* workers", "_INBOX.>"}}}}))
	everywhere("queue permissions", func(t *testing.T, url string) {
		worker := eventuallyConnect(t, url, queues.file)
		jobs := "jobs." + worker.ConnectedServerId() // the other server's worker may not be forgotten here yet
		violations := violationsOf(worker)
		for _, subscribe := range []func() (*nats.Subscription, error){
			func() (*nats.Subscription, error) { return worker.SubscribeSync(jobs) },
			func() (*nats.Subscription, error) { return worker.QueueSubscribeSync(jobs, "others") },
		} {
			if _, err := subscribe(); err != nil {
				t.Fatal(err)
			}
			if err := <-violations; !isViolation(err) {
				t.Errorf("subscribed outside of its queue: %v, want a violation", err)
			}
		}
		sub, err := worker.QueueSubscribeSync(jobs, "workers")
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.Publish(jobs, []byte("one")); err != nil {
			t.Fatal(err)
		}
		if _, err := sub.NextMsg(patience); err != nil {
			t.Errorf("in its queue: %v", err)
		}
	})

	responder := func(name string, messages int, expires string) issued {
		return in(c.role(name, map[string]any{"permissions": map[string]any{
			"subscribe": map[string]any{"allow": []string{"ask"}}, "responses": map[string]any{"max_messages": messages, "expires_in": expires},
		}}))
	}
	once, soonOnly := responder("once", 1, "PT0S"), responder("soon", -1, "PT0.3S")
	ask := func(t *testing.T, url string, creds issued) (service *client, violations <-chan error, asked *nats.Msg) {
		service, asker := eventuallyConnect(t, url, creds.file), eventuallyConnect(t, url, open.file)
		violations = violationsOf(service)
		sub, err := service.SubscribeSync("ask")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(service.Flush(), asker.PublishRequest("ask", asker.NewInbox(), nil)); err != nil {
			t.Fatal(err)
		}
		if asked, err = sub.NextMsg(patience); err != nil {
			t.Fatal(err)
		}
		return service, violations, asked
	}
	everywhere("permission to respond", func(t *testing.T, url string) {
		service, violations, asked := ask(t, url, once)
		if err := asked.Respond(nil); err != nil {
			t.Fatal(err)
		}
		wantViolation(t, service, violations, asked.Reply) // a second answer
		wantViolation(t, service, violations, "elsewhere")

		service, violations, asked = ask(t, url, soonOnly)
		start := time.Now()
		eventually(t, "an answer that comes too late", func() error {
			if err := errors.Join(asked.Respond(nil), service.Flush()); err != nil {
				return err
			}
			select {
			case err := <-violations:
				if took := time.Since(start); took < 200*time.Millisecond || !isViolation(err) {
					t.Errorf("after %v: %v", took, err)
				}
				return nil
			default:
				return errors.New("it was let through")
			}
		})
	})

	own := c.issue(func() string {
		var u resource
		c.must("POST", "/v1/accounts/"+c.account+"/users", map[string]any{"name": "own", "permissions": mayPublish("own.>", "_INBOX.>")}, &u)
		return u.ID
	}())
	everywhere("permissions of a user's own", func(t *testing.T, url string) {
		client := eventuallyConnect(t, url, own.file)
		wantViolation(t, client, violationsOf(client), "others.x")
		wantEcho(t, client)
	})

	from, to := c.role("from", map[string]any{"permissions": mayPublish("from.>", "_INBOX.>")}), c.role("to", map[string]any{"permissions": mayPublish("to.>", "_INBOX.>")})
	moved := c.user("moved", from.ID)
	old := c.issue(moved.ID)
	c.inForce()
	onStock := eventuallyConnect(t, stock.ClientURL(), old.file)
	c.must("PATCH", "/v1/users/"+moved.ID, map[string]any{"role_id": to.ID}, nil)
	c.inForce()
	wantThrownOut(t, onStock)
	wantRefused(t, stock.ClientURL(), old.file)
	client := mustConnect(t, s.nats, old.file)
	wantViolation(t, client, violationsOf(client), "from.x")
	wantEcho(t, client)
	fresh := c.issue(moved.ID)
	everywhere("creds issued after a move", func(t *testing.T, url string) {
		client := eventuallyConnect(t, url, fresh.file)
		wantViolation(t, client, violationsOf(client), "from.x")
		wantEcho(t, client)
	})

	var role struct {
		Moved int64 `json:"moved_credentials"`
	}
	c.must("GET", "/v1/roles/"+from.ID, nil, &role)
	if role.Moved != 1 {
		t.Errorf("the role says that %d credentials end with it, want 1", role.Moved)
	}
	status, body, err := c.call("DELETE", "/v1/roles/"+from.ID, nil)
	if err != nil || status != http.StatusOK || strings.TrimSpace(string(body)) != `{"credentials_revoked":1}` {
		t.Errorf("deleting the role that signed: %d %s, %v", status, body, err)
	}
	wantThrownOut(t, client)
	wantRefused(t, s.nats, old.file)
	wantEcho(t, mustConnect(t, s.nats, fresh.file))

	// Hours end for who is connected, too.
	now = time.Now()
	until := hours("until-soon", -time.Hour, 5*time.Second)
	c.inForce()
	wantThrownOut(t, mustConnect(t, s.nats, until.file))
}
