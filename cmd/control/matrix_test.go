package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// answerers has somebody in the account answer on every broker, over more than
// one connection type, since types are what is taken away.
func (h *house) answerers(p badge) {
	h.t.Helper()
	at := func(url string) nats.Option {
		return func(o *nats.Options) error { o.Url = url; return h.trust(url)(o) }
	}
	for _, there := range []nats.Option{
		at(h.plain.url("nats", h.plain.nats)), at(h.plain.url("ws", h.plain.ws)),
		at("nats://127.0.0.1:" + h.secure.nats), at(h.secure.url("ws", h.secure.ws)),
		at(h.inside.ClientURL()), nats.InProcessServer(h.inside.Server()),
	} {
		options := []nats.Option{nats.UserCredentials(p.file), nats.Timeout(patience), nats.IgnoreAuthErrorAbort(), nats.MaxReconnects(-1),
			nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), there}
		nc, err := nats.Connect("", options...)
		check(h.t, err)
		h.t.Cleanup(nc.Close)
		_, err = nc.QueueSubscribe("ask.*", "answerers", func(m *nats.Msg) {
			_ = nc.Publish("back."+strings.TrimPrefix(m.Subject, "ask."), append([]byte("heard "), m.Data...)) // who asks notices
		})
		check(h.t, errors.Join(err, nc.Flush()))
	}
}

// attempt is one way through one entrance.
type attempt struct {
	way
	entrance
}

func (a attempt) String() string { return a.way.name + ", " + a.entrance.name }

// attempts are all ways through all entrances.
func (h *house) attempts() (all []attempt) {
	for _, w := range ways {
		all = append(all, attempt{w, h.plain})
		if w.kind != claims.InProcess {
			all = append(all, attempt{w, h.secure})
		}
	}
	return all
}

// try has a client log in, and somebody of its account answer it. Being refused
// is errOut. A server that closes the connection while the client still writes
// is no answer for it; then it asks again.
func (h *house) try(a attempt, p badge) (*caller, error) {
	var c *caller
	var err error
	for range 5 {
		if c, err = a.dial(h, a.entrance, p); err == nil || errors.Is(err, errOut) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return c, h.answered(c)
}

func (h *house) answered(c *caller) error {
	topic := fmt.Sprint("question-", h.count.Add(1))
	answer, err := c.exchange(topic, topic)
	if err == nil && answer != "heard "+topic {
		err = fmt.Errorf("the answer is %q, want what was asked: %q", answer, topic)
	}
	return err
}

// atOnce does things at the same time, but only so many that two processors are not too few.
func atOnce[T any](all []T, do func(T)) {
	var running sync.WaitGroup
	room := make(chan struct{}, 8)
	for _, one := range all {
		room <- struct{}{}
		running.Go(func() { do(one); <-room })
	}
	running.Wait()
}

// typesBut are all connection types but those.
func typesBut(without ...claims.ConnectionType) (rest []claims.ConnectionType) {
	for _, kind := range claims.ConnectionTypes {
		if !slices.Contains(without, kind) {
			rest = append(rest, kind)
		}
	}
	return rest
}

// Every client, over every transport, with TLS and without, is let in exactly
// when its connection type is allowed: each alone, all, and none.
func TestEveryClientIsLetInExactlyWhenItsTypeIsAllowed(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	c := h.signUp("doorkeeper")
	type grant struct {
		name  string
		types []claims.ConnectionType
		badge badge
	}
	var grants []*grant
	for _, kind := range claims.ConnectionTypes {
		grants = append(grants, &grant{name: string(kind), types: []claims.ConnectionType{kind}})
	}
	grants = append(grants, &grant{name: "all", types: []claims.ConnectionType{}})
	for _, g := range grants {
		var role resource
		c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": strings.ToLower(strings.ReplaceAll(g.name, "_", "-")), "bearer": true, "connection_types": g.types}, &role)
		g.badge = c.badge(c.account, role.ID)
	}
	c.inForce()
	h.answerers(grants[len(grants)-1].badge)

	// The role allows WebSocket and the account nothing but plain clients: both
	// together allow nobody.
	var closed, role resource
	c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": "closed"}, &closed)
	c.must("POST", "/v1/accounts/"+closed.ID+"/roles", map[string]any{"name": "browsers", "bearer": true, "connection_types": []string{"WEBSOCKET"}}, &role)
	none := &grant{name: "none", types: []claims.ConnectionType{"none"}, badge: c.badge(closed.ID, role.ID)}
	c.must("PATCH", "/v1/accounts/"+closed.ID, map[string]any{"connection_types": []string{"STANDARD"}}, nil)
	c.awaitInForce(closed.ID)
	grants = append(grants, none)

	type cell struct {
		attempt
		*grant
	}
	var cells []cell
	for _, a := range h.attempts() {
		for _, g := range grants {
			cells = append(cells, cell{a, g})
		}
	}
	began := time.Now()
	var mu sync.Mutex
	in, out := 0, 0
	atOnce(cells, func(x cell) {
		client, err := h.try(x.attempt, x.badge)
		if client != nil {
			defer client.close()
		}
		allowed := len(x.types) == 0 || slices.Contains(x.types, x.kind)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case allowed && err == nil:
			in++
		case !allowed && errors.Is(err, errOut):
			out++
		case allowed:
			t.Errorf("%s with %s allowed: %v, want it let in", x.attempt, x.grant.name, err)
		default:
			t.Errorf("%s with %s allowed: %v, want it refused", x.attempt, x.grant.name, err)
		}
	})
	t.Logf("%d of %d were let in and %d refused, as they should be, in %v", in, len(cells), out, time.Since(began))

	// For that reason, and no other.
	elsewhere := *c
	elsewhere.account = closed.ID
	for _, told := range []*customer{c, &elsewhere} {
		eventually(t, "the reasons to be told", func() error {
			list := told.refusals()
			for _, r := range list {
				if r.Reason != "connection_type" && r.Reason != "type_not_allowed" {
					t.Fatalf("a client over %s was refused for %s: %s", r.ConnectionType, r.Reason, r.Detail)
				}
			}
			if len(list) < len(claims.ConnectionTypes) {
				return fmt.Errorf("there are %d", len(list))
			}
			return nil
		})
	}
}

// visitor is a client that was let in, and how it came.
type visitor struct {
	attempt
	*caller
}

// A connection type that is withdrawn from the user, the role, the account or the plan ends
// the connections of that type within a second, and no others.
func TestWithdrawnConnectionTypeThrowsItsClientsOut(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	c := h.signUp("withdrawer")
	c.asStaff(h.stack)
	var role, other resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "guests", "bearer": true}, &role)
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "staff", "bearer": true}, &other)
	guest, staff := c.badge(c.account, role.ID), c.badge(c.account, other.ID)
	everything := c.staffPlan("Everything", map[string]any{})
	c.putOn(everything)
	plans := map[claims.ConnectionType]resource{}
	for _, kind := range claims.ConnectionTypes {
		plans[kind] = c.staffPlan("Without "+string(kind), map[string]any{"connection_types": typesBut(kind)})
	}
	c.inForce()
	h.answerers(staff)

	patch := func(path string) (withdraw func(claims.ConnectionType), restore func()) {
		set := func(types []claims.ConnectionType) {
			c.must("PATCH", path, map[string]any{"connection_types": types}, nil)
		}
		return func(kind claims.ConnectionType) { set(typesBut(kind)) }, func() { set([]claims.ConnectionType{}) }
	}
	fromRole, toRole := patch("/v1/roles/" + role.ID)
	fromUser, toUser := patch("/v1/users/" + guest.user)
	fromAccount, toAccount := patch("/v1/accounts/" + c.account)
	// Who is put on a plan has their accounts signed anew one after the other.
	onPlan := func(plan resource, types ...claims.ConnectionType) {
		c.putOn(plan)
		eventually(t, "the account to go by the plan", func() error {
			var account struct {
				Types []claims.ConnectionType `json:"effective_connection_types"`
			}
			if c.must("GET", "/v1/accounts/"+c.account, nil, &account); len(account.Types) != len(types) {
				return fmt.Errorf("it allows %v", account.Types)
			}
			return nil
		})
	}
	levels := []struct {
		name     string
		withdraw func(claims.ConnectionType)
		restore  func()
	}{
		{"user", fromUser, toUser},
		{"role", fromRole, toRole},
		{"account", fromAccount, toAccount},
		{"plan", func(kind claims.ConnectionType) { onPlan(plans[kind], typesBut(kind)...) }, func() { onPlan(everything) }},
	}

	var mu sync.Mutex
	clients := map[string]*visitor{}
	letIn := func(all []attempt) {
		t.Helper()
		atOnce(all, func(a attempt) {
			client, err := h.try(a, guest)
			if err != nil {
				t.Errorf("%s: %v, want it let in", a, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			clients[a.String()] = &visitor{a, client}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	letIn(h.attempts())
	var took []time.Duration
	for _, level := range levels {
		for _, kind := range claims.ConnectionTypes {
			var of []attempt
			began := time.Now()
			level.withdraw(kind)
			for _, client := range clients {
				if client.kind != kind {
					continue
				}
				of = append(of, client.attempt)
				select {
				case <-client.ended:
					took = append(took, client.endedAt().Sub(began))
				case <-time.After(patience):
					t.Fatalf("%s was withdrawn from the %s: %s is still there", kind, level.name, client.attempt)
				}
				client.close()
			}
			c.inForce()
			all := h.attempts()
			atOnce(all, func(a attempt) {
				if client := clients[a.String()]; a.kind != kind {
					select {
					case <-client.ended:
						t.Errorf("%s was withdrawn from the %s: %s is gone, too", kind, level.name, a)
					default:
						if err := h.answered(client.caller); err != nil {
							t.Errorf("%s was withdrawn from the %s: %s: %v", kind, level.name, a, err)
						}
					}
					return
				}
				if client, err := h.try(a, guest); !errors.Is(err, errOut) {
					t.Errorf("%s was withdrawn from the %s: %s: %v, want it refused", kind, level.name, a, err)
					if client != nil {
						client.close()
					}
				}
			})
			level.restore()
			c.inForce()
			letIn(of)
		}
	}
	slices.Sort(took)
	t.Logf("%d clients were thrown out after p50 %v, max %v", len(took), took[len(took)/2], took[len(took)-1])
	if most := took[len(took)-1]; most > time.Second {
		t.Errorf("a client was thrown out after %v, want a second at most", most)
	}
	// The tenant is told which type it was.
	eventually(t, "the refusals to be told", func() error {
		told := map[string]bool{}
		for _, r := range c.refusals() {
			if r.Reason == "type_not_allowed" {
				told[r.ConnectionType] = true
			}
		}
		if len(told) != len(claims.ConnectionTypes) {
			return fmt.Errorf("of these: %v", told)
		}
		return nil
	})
}
