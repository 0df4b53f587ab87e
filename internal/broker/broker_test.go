package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/signalbox-io/signalbox/internal/broker"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

func TestTenantReachesTheBrokerOverEveryProtocol(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(func(c *claims.Account) { c.Roles[0].Template.Bearer = true }))
	user := account.Issue("app")
	endpoints := node.Endpoints()
	nc := user.Connect(t, endpoints.NATS[0])
	sub, err := nc.SubscribeSync("greet")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	hear := func(t *testing.T, want string) {
		t.Helper()
		m, err := sub.NextMsg(brokertest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data) != want {
			t.Errorf("message = %q, want %q", m.Data, want)
		}
	}

	t.Run("websocket", func(t *testing.T) {
		ws := user.Connect(t, endpoints.WebSocket[0])
		if err := ws.Publish("greet", []byte("ws")); err != nil {
			t.Fatal(err)
		}
		hear(t, "ws")
	})
	t.Run("mqtt", func(t *testing.T) {
		client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(strings.Replace(endpoints.MQTT[0], "mqtt://", "tcp://", 1)).
			SetClientID("thing").SetUsername("app").SetPassword(user.JWT).SetConnectTimeout(brokertest.Patience))
		if token := client.Connect(); !token.WaitTimeout(brokertest.Patience) || token.Error() != nil {
			t.Fatalf("connect: %v", token.Error())
		}
		t.Cleanup(func() { client.Disconnect(0) })
		if token := client.Publish("greet", 1, false, "mqtt"); !token.WaitTimeout(brokertest.Patience) || token.Error() != nil {
			t.Fatalf("publish: %v", token.Error())
		}
		hear(t, "mqtt")
	})
	t.Run("leaf node", func(t *testing.T) {
		leaf := startLeaf(t, endpoints.LeafNode[0], user)
		behind, err := nats.Connect(leaf.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(behind.Close)
		if _, err := behind.Subscribe("ask", func(m *nats.Msg) { _ = m.Respond([]byte("leaf")) }); err != nil {
			t.Fatal(err)
		}
		answered(t, nc, "ask", "leaf")
	})
	t.Run("jetstream", func(t *testing.T) {
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
		defer cancel()
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(ctx, "orders.1", []byte("kept")); err != nil {
			t.Fatal(err)
		}
		node.Stop()
		node.Start()
		again, err := jetstream.New(user.Connect(t, node.ClientURL()))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := again.Stream(ctx, "ORDERS")
		if err != nil {
			t.Fatalf("the stream after a restart: %v", err)
		}
		m, err := stream.GetMsg(ctx, 1)
		if err != nil || string(m.Data) != "kept" {
			t.Errorf("message = %v, %v, want it kept", m, err)
		}
	})
}

// startLeaf starts a server that is a leaf node of a broker.
func startLeaf(t *testing.T, url string, user brokertest.Credential) *server.Server {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "leaf.conf")
	text := fmt.Sprintf("listen: \"127.0.0.1:-1\"\nleafnodes { remotes [{ url: %q, credentials: %q }] }", url, user.File(t))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	o.NoSigs, o.NoLog = true, true
	leaf, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	leaf.Start()
	t.Cleanup(func() { leaf.Shutdown(); leaf.WaitForShutdown() })
	return leaf
}

// answered asks until somebody answers: interest may still be on its way.
func answered(t *testing.T, nc *nats.Conn, subject, want string) {
	t.Helper()
	deadline := time.Now().Add(brokertest.Patience)
	for time.Now().Before(deadline) {
		m, err := nc.Request(subject, nil, 100*time.Millisecond)
		if err != nil {
			continue
		}
		if string(m.Data) != want {
			t.Errorf("answer = %q, want %q", m.Data, want)
		}
		return
	}
	t.Fatalf("nobody answered on %s", subject)
}

func TestJetStreamLimitsFollowTheClaims(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(func(c *claims.Account) { c.Limits.JetStream = claims.JetStreamLimits{} }))
	js, err := jetstream.New(account.Issue("app").Connect(t, node.ClientURL()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	defer cancel()
	config := jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}
	if _, err := js.CreateStream(ctx, config); err == nil {
		t.Fatal("a stream was made without JetStream, want an error")
	}
	node.WaitApplied(account.Change(func(c *claims.Account) { c.Limits.JetStream = claims.UnlimitedLimits().JetStream }))
	if _, err := js.CreateStream(ctx, config); err != nil {
		t.Fatalf("a stream after JetStream was allowed: %v", err)
	}
	node.WaitApplied(account.Change(func(c *claims.Account) { c.Limits.JetStream = claims.JetStreamLimits{} }))
	if _, err := js.Publish(ctx, "orders.1", nil); err == nil {
		t.Fatal("JetStream still answers after it was taken away")
	}
}

func TestRolesPermissionsChangeForLiveCreds(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	nc := user.Connect(t, node.ClientURL())

	node.WaitApplied(account.Change(func(c *claims.Account) {
		c.Roles[0].Template.ConnectionTypes = []claims.ConnectionType{claims.WebSocket}
	}))

	brokertest.WaitClosed(t, nc) // a changed role closes its connections; they come back under the new rules
	if again, err := user.Dial(node.ClientURL()); err == nil {
		again.Close()
		t.Error("let in over plain NATS, want WebSocket only")
	}
	user.Connect(t, node.Endpoints().WebSocket[0])
}

func TestBrokerEnrolsOnceControlIsThere(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	var attempts atomic.Int32
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, control.URL()+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(front.Close)
	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	defer cancel()
	b, err := broker.Start(ctx, broker.Config{
		ControlURL: front.URL, EnrollmentToken: brokertest.EnrollmentToken, DataDir: t.TempDir(), Name: "late", Adjust: loopback,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	if got := attempts.Load(); got < 3 {
		t.Errorf("attempts = %d, want at least 3", got)
	}
}

func TestStoppingAWaitingBrokerIsNoFailure(t *testing.T) {
	t.Parallel()
	tried := make(chan struct{}, 100)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		tried <- struct{}{}
	}))
	t.Cleanup(away.Close)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- broker.Run(ctx, broker.Config{ControlURL: away.URL, EnrollmentToken: "sbe_x", DataDir: t.TempDir(), Adjust: loopback})
	}()
	<-tried
	stop()
	if err := <-done; err != nil {
		t.Errorf("run = %v, want nil: it was told to stop", err)
	}
}

func loopback(o *server.Options) {
	o.Host, o.Port, o.JetStream = "127.0.0.1", server.RANDOM_PORT, false
}

func TestBrokerSaysWhyItCannotStart(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	config := func(text string) string {
		path := filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := func() broker.Config {
		return broker.Config{ControlURL: control.URL(), EnrollmentToken: brokertest.EnrollmentToken, DataDir: t.TempDir(), Adjust: loopback}
	}
	for name, c := range map[string]struct {
		change func(*broker.Config)
		want   string
	}{
		"refused token":      {func(c *broker.Config) { c.EnrollmentToken = "sbe_wrong" }, "control refused the token: this enrolment token is unknown or used up"},
		"no token":           {func(c *broker.Config) { c.EnrollmentToken = "" }, "not enrolled yet"},
		"no control":         {func(c *broker.Config) { c.ControlURL = "" }, "not enrolled yet"},
		"control is no URL":  {func(c *broker.Config) { c.ControlURL = "localhost:8080" }, "http://"},
		"not control":        {func(c *broker.Config) { c.ControlURL = control.URL() + "/elsewhere" }, "control refused with status 404"},
		"file is missing":    {func(c *broker.Config) { c.NATSConfigFile = "/does/not/exist" }, "no such file"},
		"file is unreadable": {func(c *broker.Config) { c.NATSConfigFile = config("port: [") }, "read the NATS configuration"},
		"file has users":     {func(c *broker.Config) { c.NATSConfigFile = config(`authorization { users [{user: a, password: b}] }`) }, `it sets "authorization"`},
		"file has a token":   {func(c *broker.Config) { c.NATSConfigFile = config(`authorization { token: abc }`) }, `it sets "authorization"`},
		"file has accounts":  {func(c *broker.Config) { c.NATSConfigFile = config(`accounts { A: {} }`) }, `it sets "accounts"`},
		"file has an operator": {func(c *broker.Config) {
			c.NATSConfigFile = config("operator: " + control.OperatorJWT() + "\nresolver: MEMORY")
		}, `it sets "operator"`},
		"file has a resolver": {func(c *broker.Config) { c.NATSConfigFile = config("resolver: MEMORY") }, `it sets "resolver"`},
		"port is taken": {func(c *broker.Config) {
			c.Adjust = func(o *server.Options) {
				loopback(o)
				o.Port = taken.Addr().(*net.TCPAddr).Port
			}
		}, "port " + taken.Addr().String() + " for NATS clients is taken by another program"},
		"store is neither":   {func(c *broker.Config) { c.Store = "both" }, `the store is mirror or cache, not "both"`},
		"cache without size": {func(c *broker.Config) { c.Store, c.CacheSize = "cache", "much" }, `"much" is no size of a cache`},
		"metrics port is taken": {func(c *broker.Config) { c.MetricsAddress = taken.Addr().String() },
			"port " + taken.Addr().String() + " for metrics is taken by another program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good()
			c.change(&cfg)
			ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
			defer cancel()
			b, err := broker.Start(ctx, cfg)
			if err == nil {
				b.Stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %q, want it to say %q", err, c.want)
			}
			if strings.Contains(err.Error(), "eyJ") {
				t.Errorf("the error holds a JWT: %q", err)
			}
		})
	}
}

func TestTwoBrokersCannotShareADataDirectory(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	_, err := broker.Start(t.Context(), broker.Config{DataDir: cluster.Nodes[0].Dir, Adjust: loopback})
	if err == nil || !strings.Contains(err.Error(), "another broker is using it") {
		t.Errorf("error = %v, want it to say that another broker uses it", err)
	}
}

func TestConfigurationFileIsPassedThrough(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	path := filepath.Join(t.TempDir(), "nats.conf")
	text := `
		server_name: from-the-file
		listen: "127.0.0.1:-1"
		client_advertise: "nats.example.com:4333"
		max_payload: 4096
		websocket { listen: "127.0.0.1:-1", no_tls: true, advertise: "ws.example.com:443" }
		leafnodes { listen: "127.0.0.1:-1", advertise: "leaf.example.com" }
		jetstream { max_memory_store: 10MB }
	`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b, err := broker.Start(t.Context(), broker.Config{
		ControlURL: control.URL(), EnrollmentToken: brokertest.EnrollmentToken, DataDir: dir, NATSConfigFile: path,
		ControlAddress: "nats://10.0.0.7:4222",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	if got := b.Server().Name(); got != "from-the-file" {
		t.Errorf("name = %q, want the file's", got)
	}
	got := b.Endpoints()
	leaf := got.LeafNode[0]
	if got.NATS[0] != "nats://nats.example.com:4333" || got.WebSocket[0] != "ws://ws.example.com:443" || len(got.MQTT) != 0 || !strings.HasPrefix(leaf, "nats-leaf://leaf.example.com:") {
		t.Errorf("endpoints = %+v, want what the file advertises", got)
	}
	v, err := b.Server().Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.MaxPayload != 4096 {
		t.Errorf("max payload = %d, want the file's", v.MaxPayload)
	}
	if got := b.Server().JetStreamConfig().StoreDir; !strings.HasPrefix(got, dir) {
		t.Errorf("JetStream's directory = %q, want it below %q", got, dir)
	}
	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	defer cancel()
	control.WaitFor(ctx, "the announcement", func() bool {
		url, e := control.Announced(b.PublicKey())
		return url == "nats://10.0.0.7:4222" && len(e.LeafNode) == 1
	})
}

func TestUnreadableStoreIsMovedAsideAndFilledAgain(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	revision := account.Change(nil)
	node.WaitApplied(revision)
	node.Stop()
	store := filepath.Join(node.Dir, "accounts")
	if err := os.RemoveAll(store); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store, []byte("this is no store"), 0o600); err != nil {
		t.Fatal(err)
	}

	node.Start()

	node.WaitApplied(revision)
	account.Issue("app").Connect(t, node.ClientURL())
	if aside, err := filepath.Glob(store + ".unreadable-*"); err != nil || len(aside) != 1 {
		t.Errorf("moved aside = %v, %v, want one file", aside, err)
	}
}

func TestIdentityIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	for _, name := range []string{"identity.json", "accounts/log-00000001"} {
		info, err := os.Stat(filepath.Join(cluster.Nodes[0].Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s = %o, want 600", name, got)
		}
	}
}

func TestHealthAndMetrics(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	revision := account.Change(nil)
	node.WaitApplied(revision)
	account.Issue("app").Connect(t, node.ClientURL())
	get := func(path string) (int, string) {
		response, err := http.Get(node.MetricsURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := get(path); status != http.StatusOK {
			t.Errorf("%s = %d %s, want 200", path, status, body)
		}
	}
	_, metrics := get("/metrics")
	for _, want := range []string{
		fmt.Sprintf("signalbox_broker_applied_revision %d", revision), "signalbox_broker_connections 3", "signalbox_broker_stored_accounts 1",
		"signalbox_broker_claims_refused_total 0", "signalbox_broker_store_healed_total 0", "signalbox_broker_store_is_cache 0",
		fmt.Sprintf("signalbox_broker_head_revision %d", revision), "signalbox_broker_peer_claims_total 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
}

func TestBrokerThatNeverHeardFromControlIsNotReady(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	cluster.Control.Close()
	node.Stop()
	if err := os.RemoveAll(filepath.Join(node.Dir, "accounts")); err != nil {
		t.Fatal(err)
	}
	node.WithoutControl, node.AloneAfter = true, time.Millisecond
	node.Start()
	response, err := http.Get(node.MetricsURL() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readyz = %d, want 503: nothing is known about any account", response.StatusCode)
	}
	if nc, err := cluster.Control.NewAccount("acme").Issue("app").Dial(node.ClientURL()); err == nil {
		nc.Close()
		t.Error("a client was let in")
	}
	response, err = http.Get(node.MetricsURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"signalbox_broker_gate_open 0", `signalbox_broker_logins_refused_total{reason="not_caught_up"} 1`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// Another version of control may have a broker do more than the one that it
// enrolled with.
func TestBrokerGetsThePermissionsOfTheControlThatThereIs(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	user, key := account.Issue("app"), claims.UserKey(node.PublicKey())
	node.Stop()
	less := resolver.BrokerPermissions(key)
	less.Publish.Allow = slices.DeleteFunc(less.Publish.Allow, func(subject string) bool { return subject == resolver.SubjectRefused })
	path := filepath.Join(node.Dir, "identity.json")
	identity := map[string]string{}
	text, err := os.ReadFile(path)
	if err := errors.Join(err, json.Unmarshal(text, &identity)); err != nil {
		t.Fatal(err)
	}
	older := cluster.Control.SystemUser(key, less)
	identity["user_jwt"] = older
	if text, err = json.Marshal(identity); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}

	node.Start()
	node.WaitApplied(account.Revoke(user.Key))
	if nc, err := user.Dial(node.ClientURL()); err == nil {
		nc.Close()
		t.Fatal("the revoked client was let in")
	}

	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	defer cancel()
	cluster.Control.WaitFor(ctx, "what the broker may tell by now", func() bool { return len(cluster.Control.RefusedLogins()) > 0 })
	if text, err = os.ReadFile(path); err != nil || strings.Contains(string(text), older) {
		t.Errorf("the older JWT is kept for the next start (%v)", err)
	}
}

// Control does not speak to a removed broker: one that runs still, and stands
// alone, asks.
func TestRunningBrokerFindsOutThatItWasRemoved(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	user := account.Issue("app")
	node.WaitApplied(account.Change(nil))
	user.Connect(t, node.ClientURL()).Close()

	key := node.PublicKey()
	cluster.Control.Remove(key)

	shut := func() bool {
		nc, err := user.Dial(node.ClientURL())
		if err == nil {
			nc.Close()
		}
		return errors.Is(err, nats.ErrAuthorization)
	}
	for deadline := time.Now().Add(brokertest.Patience); !shut(); {
		if time.Now().After(deadline) {
			t.Fatal("it lets clients in still")
		}
	}
	node.Stop()
	node.WithoutControl, node.AloneAfter = true, time.Millisecond
	node.Start()
	if !shut() {
		t.Error("after a start without control it lets clients in")
	}
	// Say that control's database had come back from an older copy, and now is as it should be.
	node.Stop()
	cluster.Control.Seat(key, "nats://127.0.0.1:1")
	node.WithoutControl, node.AloneAfter = false, 0
	node.Start()
	user.Connect(t, node.ClientURL())
}
