package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/api"
)

// The simulator names the setting that decides, and a client of the same user
// fares as it says.
func TestSimulatorNamesWhatDecides(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("asker")
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{
		"name": "sensor", "connection_types": []string{"STANDARD"}, "source_networks": []string{"127.0.0.0/8"},
		"times": []any{map[string]any{"start": "00:00:00", "end": "23:59:59"}}, "time_zone": "UTC",
		"permissions": map[string]any{
			"publish":   map[string]any{"allow": []string{"orders.{{name()}}.>", "raw.>"}, "deny": []string{"never", "orders.*.secret"}},
			"subscribe": map[string]any{"allow": []string{"orders.>", "jobs workers"}, "deny": []string{"orders.audit"}},
		},
	}, &role)
	c.must("PUT", "/v1/accounts/"+c.account+"/mappings", map[string]any{"mappings": []any{
		map[string]any{"subject": "raw.*", "destinations": []any{map[string]any{"subject": "orders.other.{{wildcard(1)}}", "weight": 100}}},
	}}, nil)
	user := c.user("app", role.ID)
	credential := c.issue(user.ID)
	c.inForce()
	nc := mustConnect(t, s.nats, credential.file)
	violations := make(chan error, 1)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err })
	for _, q := range []struct {
		name    string
		ask     map[string]any
		reason  string
		decided *api.SimulationDecision
		try     func() error
	}{
		{"may publish", map[string]any{"action": "publish", "subject": "orders.app.new"}, "",
			&api.SimulationDecision{Check: "publish", Source: "role", Pointer: "/permissions/publish/allow/0", Rule: "orders.{{name()}}.>", Subject: "orders.app.>"},
			func() error { return nc.Publish("orders.app.new", nil) }},
		{"must not publish", map[string]any{"action": "publish", "subject": "orders.app.secret"}, "publish_denied",
			&api.SimulationDecision{Check: "publish", Source: "role", Pointer: "/permissions/publish/deny/1", Rule: "orders.*.secret", Subject: "orders.*.secret"},
			func() error { return nc.Publish("orders.app.secret", nil) }},
		{"is not among what may be published", map[string]any{"action": "publish", "subject": "else"}, "publish_denied",
			&api.SimulationDecision{Check: "publish", Source: "role", Pointer: "/permissions/publish/allow"},
			func() error { return nc.Publish("else", nil) }},
		{"is mapped to what must not be published", map[string]any{"action": "publish", "subject": "raw.x"}, "publish_denied",
			&api.SimulationDecision{Check: "publish", Source: "role", Pointer: "/permissions/publish/allow"},
			func() error { return nc.Publish("raw.x", nil) }},
		{"may subscribe in a queue", map[string]any{"action": "subscribe", "subject": "jobs", "queue": "workers"}, "",
			&api.SimulationDecision{Check: "subscribe", Source: "role", Pointer: "/permissions/subscribe/allow/1", Rule: "jobs workers", Subject: "jobs workers"},
			func() error { return second(nc.QueueSubscribe("jobs", "workers", func(*nats.Msg) {})) }},
		{"may not without it", map[string]any{"action": "subscribe", "subject": "jobs"}, "subscribe_denied",
			&api.SimulationDecision{Check: "subscribe", Source: "role", Pointer: "/permissions/subscribe/allow"},
			func() error { return second(nc.Subscribe("jobs", func(*nats.Msg) {})) }},
		{"from elsewhere", map[string]any{"action": "connect", "address": "10.0.0.1"}, "wrong_network",
			&api.SimulationDecision{Check: "network", Source: "role", Pointer: "/source_networks"}, nil},
		{"over MQTT", map[string]any{"action": "connect", "connection_type": "MQTT"}, "connection_type",
			&api.SimulationDecision{Check: "connection_type", Source: "role", Pointer: "/connection_types"}, nil},
		{"at night", map[string]any{"action": "connect", "at": time.Date(2027, 1, 1, 23, 59, 59, 500, time.UTC)}, "outside_hours",
			&api.SimulationDecision{Check: "hours", Source: "role", Pointer: "/times"}, nil},
	} {
		for _, who := range []map[string]any{{"credential_id": credential.ID}, {"user_id": user.ID}, {"role_id": role.ID, "name": "app"}} {
			got := c.simulate(q.ask, who)
			if got.Allowed != (q.reason == "") || !got.Allowed && *got.Reason != q.reason {
				t.Errorf("%s, as %v: %+v", q.name, who, got)
			}
			if diff := cmp.Diff(q.decided, got.DecidedBy); diff != "" {
				t.Errorf("%s, as %v, -want +got:\n%s", q.name, who, diff)
			}
		}
		if q.try == nil {
			continue
		}
		if err := errors.Join(q.try(), nc.FlushTimeout(patience)); err != nil {
			t.Fatal(err)
		}
		if q.reason != "" { // whatever else the broker said would be heard here first
			if err := <-violations; !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", q.name, err)
			}
			continue
		}
		select {
		case err := <-violations:
			t.Errorf("%s: %v", q.name, err)
		default:
		}
	}
	if got := c.simulate(map[string]any{"action": "subscribe", "subject": "orders.>"}, map[string]any{"user_id": user.ID}); !got.Allowed || len(got.Filtered) != 1 || got.Filtered[0].Pointer != "/permissions/subscribe/deny/0" {
		t.Errorf("a subscription that is wider than what is denied: %+v", got)
	}
	var made api.DeviceLoginCreated
	c.must("POST", "/v1/users/"+user.ID+"/device-logins", map[string]any{"kind": "token"}, &made)
	device := made.DeviceLogin
	foretold := c.simulate(map[string]any{"action": "connect"}, map[string]any{"credential_id": device.Id})
	if !foretold.Allowed || !slices.ContainsFunc(foretold.Steps, func(s api.SimulationStep) bool {
		return s.Check == "proof" && strings.Contains(s.Detail, "device login")
	}) {
		t.Errorf("a device login: %+v", foretold)
	}
	c.must("PATCH", "/v1/users/"+user.ID, map[string]any{"connection_types": []string{"WEBSOCKET"}}, nil)
	for over, decided := range map[string]*api.SimulationDecision{
		"STANDARD":  {Check: "connection_type", Source: "user", Pointer: "/connection_types"},
		"WEBSOCKET": {Check: "connection_type", Source: "role", Pointer: "/connection_types"}, // which does not allow it either
	} {
		got := c.simulate(map[string]any{"action": "connect", "connection_type": over}, map[string]any{"credential_id": credential.ID})
		if diff := cmp.Diff(decided, got.DecidedBy); diff != "" || got.Allowed || *got.Reason != "connection_type" {
			t.Errorf("over %s, for a user of WebSocket in a role for plain clients: %+v (-want +got):\n%s", over, got, diff)
		}
	}
	c.must("PATCH", "/v1/users/"+user.ID, map[string]any{"connection_types": []string{}}, nil)
	c.must("POST", "/v1/device-logins/"+device.Id+"/revoke", map[string]any{}, nil)
	if got := c.simulate(map[string]any{"action": "connect"}, map[string]any{"credential_id": device.Id}); got.Allowed || *got.Reason != "credential_revoked" {
		t.Errorf("a revoked device login: %+v", got)
	}
	c.must("POST", "/v1/credentials/"+credential.ID+"/revoke", map[string]any{}, nil)
	if got := c.simulate(map[string]any{"action": "connect"}, map[string]any{"credential_id": credential.ID}); got.Allowed || *got.Reason != "credential_revoked" || *got.Explanation == "" {
		t.Errorf("a revoked credential: %+v", got)
	}
}

func (c *customer) simulate(ask, who map[string]any) (got api.Simulation) {
	c.t.Helper()
	in := map[string]any{"account_id": c.account, "address": "127.0.0.1"}
	maps.Copy(in, who)
	maps.Copy(in, ask)
	c.must("POST", "/v1/simulate", in, &got)
	return got
}
