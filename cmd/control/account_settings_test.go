package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// What people set of an account acts alike on a broker and on an unmodified
// nats-server beside it.
func TestAccountSettingsActOnBrokersAndStockServers(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("settler")
	operator := c.asStaff(s).ID
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "team", "permissions": map[string]any{
		"publish": map[string]any{"allow": []string{"team.{{account-tag(team)}}.>"}},
	}}, &role)
	open, team := c.issue(c.user("open", "").ID), c.issue(c.user("team", role.ID).ID)
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{
		"tags":                []string{"team:blue", "team:green"},
		"default_permissions": map[string]any{"publish": map[string]any{"deny": []string{"secret.>"}}},
		"trace":               map[string]any{"destination": "traces", "sampling": 100},
	}, nil)
	c.must("PUT", "/v1/accounts/"+c.account+"/mappings", map[string]any{"mappings": []any{
		map[string]any{"subject": "orders.*", "destinations": []any{
			map[string]any{"subject": "shop.{{wildcard(1)}}.{{partition(3,1)}}", "weight": 70},
			map[string]any{"subject": "canary.{{wildcard(1)}}", "weight": 30},
		}},
	}}, nil)
	stock := s.startStock(operator, "stock", t.TempDir(), c.serverConfig(operator, "full"))
	c.inForce()

	for name, url := range map[string]string{"a broker": s.nats, "a stock server": stock.ClientURL()} {
		t.Run(name, func(t *testing.T) {
			anybody := eventuallyConnect(t, url, open.file)
			violations := violationsOf(anybody)
			t.Run("default permissions", func(t *testing.T) {
				wantViolation(t, anybody, violations, "secret.plan")
				wantEcho(t, anybody)
			})
			t.Run("mappings and their weights", func(t *testing.T) { wantWeights(t, anybody) })
			t.Run("tracing", func(t *testing.T) { wantTrace(t, anybody) })
			t.Run("tags in a role's subjects", func(t *testing.T) {
				member := eventuallyConnect(t, url, team.file)
				violations := violationsOf(member)
				heard, err := anybody.SubscribeSync("team.>")
				if err != nil {
					t.Fatal(err)
				}
				if err := anybody.Flush(); err != nil {
					t.Fatal(err)
				}
				wantViolation(t, member, violations, "team.red.x")
				for _, subject := range []string{"team.blue.x", "team.green.x"} {
					if err := member.Publish(subject, nil); err != nil {
						t.Fatal(err)
					}
					if m, err := heard.NextMsg(patience); err != nil || m.Subject != subject {
						t.Errorf("heard %v, %v; want %s", m, err, subject)
					}
				}
			})
		})
	}

	// What changes holds for who is connected.
	anybody, member := mustConnect(t, s.nats, open.file), mustConnect(t, s.nats, team.file)
	violations := violationsOf(anybody)
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{
		"tags":                []string{"team:red"},
		"default_permissions": map[string]any{"publish": map[string]any{"deny": []string{"elsewhere"}}},
	}, nil)
	c.must("PUT", "/v1/accounts/"+c.account+"/mappings", map[string]any{"mappings": []any{}}, nil)
	c.inForce()
	wantViolation(t, anybody, violations, "elsewhere")
	heard, err := anybody.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := anybody.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"orders.7", "secret.plan"} {
		if err := anybody.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		if m, err := heard.NextMsg(patience); err != nil || m.Subject != subject {
			t.Errorf("heard %v, %v; want %s", m, err, subject)
		}
	}
	eventually(t, "who may publish elsewhere now to be let in anew", func() error {
		if err := errors.Join(member.Publish("team.red.x", nil), member.Flush()); err != nil {
			return err
		}
		_, err := heard.NextMsg(10 * time.Millisecond)
		return err
	})
}

// An account's connection types hold for roles that allow more, and for those
// that allow none of them; on stock servers by what they are compiled into.
func TestConnectionTypesOfAnAccountHoldForEveryRole(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("narrow")
	operator := c.asStaff(s).ID
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "servers", "connection_types": []string{"STANDARD"}}, &role)
	files := []string{c.issue(c.user("open", "").ID).file, c.issue(c.user("server", role.ID).ID).file}
	stock := s.startStock(operator, "stock", t.TempDir(), c.serverConfig(operator, "full"))
	urls := []string{s.nats, stock.ClientURL()}
	var clients []*client
	for _, url := range urls {
		for _, file := range files {
			clients = append(clients, eventuallyConnect(t, url, file))
		}
	}
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"connection_types": []string{"WEBSOCKET", "MQTT"}}, nil)
	for i, file := range files {
		wantThrownOut(t, clients[i]) // the broker's, at once; a stock server's at their next login
		for _, url := range urls {
			eventually(t, "the login to be refused", func() error {
				nc, err := connect(t, url, file)
				if err == nil {
					nc.Close()
					return errors.New("it was let in")
				}
				return nil
			})
		}
	}
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"connection_types": []string{}}, nil)
	for _, url := range urls {
		for _, file := range files {
			wantEcho(t, eventuallyConnect(t, url, file))
		}
	}
}

func violationsOf(c *client) <-chan error {
	violations := make(chan error, 10)
	c.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err })
	return violations
}

// wantViolation fails unless the server says that the client must not publish there.
func wantViolation(t *testing.T, c *client, violations <-chan error, subject string) {
	t.Helper()
	if err := errors.Join(c.Publish(subject, nil), c.Flush()); err != nil {
		t.Fatal(err)
	}
	if err := <-violations; !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
		t.Errorf("publishing to %s: %v, want a violation", subject, err)
	}
}

// wantWeights fails unless of many messages about 30% go to the canary, and the
// others to the partition of their subject.
func wantWeights(t *testing.T, c *client) {
	t.Helper()
	const messages = 2000
	partitions, canary := make(chan *nats.Msg, messages), make(chan *nats.Msg, messages)
	for subject, ch := range map[string]chan *nats.Msg{"shop.7.*": partitions, "canary.7": canary} {
		sub, err := c.ChanSubscribe(subject, ch)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Unsubscribe()
	}
	for range messages {
		if err := c.Publish("orders.7", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil { // what was published came back before the answer
		t.Fatal(err)
	}
	seen := map[string]int{}
	for range messages {
		select {
		case m := <-partitions:
			seen[m.Subject]++
		case m := <-canary:
			seen[m.Subject]++
		default:
		}
	}
	// Six standard deviations of a binomial distribution are 123 messages.
	if n := seen["canary.7"]; n < 600-123 || n > 600+123 || len(seen) != 2 || n+otherThan(seen, "canary.7") != messages {
		t.Errorf("of %d messages went: %v; want about 600 to the canary, the others to one partition", messages, seen)
	}
}

func otherThan(seen map[string]int, subject string) (n int) {
	for s, count := range seen {
		if s != subject {
			n += count
		}
	}
	return n
}

// wantTrace fails unless a message that asks for it is traced.
func wantTrace(t *testing.T, c *client) {
	t.Helper()
	traces, err := c.SubscribeSync("traces")
	if err != nil {
		t.Fatal(err)
	}
	defer traces.Unsubscribe()
	m := nats.NewMsg("plain")
	m.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if err := c.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	trace, err := traces.NextMsg(patience)
	if err != nil {
		t.Fatalf("nothing was traced: %v", err)
	}
	if want := fmt.Sprintf(`"subj":%q`, "plain"); !strings.Contains(string(trace.Data), want) {
		t.Errorf("the trace %s does not have %s", trace.Data, want)
	}
}

func isViolation(err error) bool { return errors.Is(err, nats.ErrPermissionViolation) }
