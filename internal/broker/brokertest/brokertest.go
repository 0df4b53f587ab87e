// Package brokertest boots real brokers for tests, against a control plane whose
// truth is a map in memory ([Control]) and whose every other part is real: they
// enrol over HTTP, and are fed by a resolver.Hub over NATS.
//
// Everything listens on ports of the system's choice and ends with the test.
// Waiting is for events; a test that waits in vain fails after [Patience].
package brokertest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// Patience is how long a test waits for something before it fails. It says
// nothing about how fast things are.
const Patience = 30 * time.Second

// moment is how long brokers wait for control before they take it to be away.
const moment = 10 * time.Millisecond

// Cluster is a control plane and its brokers.
type Cluster struct {
	Control *Control
	Nodes   []*Node
}

// Start boots a control plane and n brokers, and returns when all have heard
// from control. A single broker has JetStream and MQTT on; several form a
// cluster without.
func Start(t testing.TB, n int) *Cluster {
	t.Helper()
	return start(t, n, func(*Node) {})
}

// StartJetStream is Start for several brokers that form a cluster with JetStream.
func StartJetStream(t testing.TB, n int) *Cluster {
	t.Helper()
	return start(t, n, func(node *Node) { node.routes = FreePort(t) })
}

// StartConfigured is Start for brokers that prepare has something to say about
// before their first start.
func StartConfigured(t testing.TB, n int, prepare func(i int, node *Node)) *Cluster {
	t.Helper()
	next := 0
	return start(t, n, func(node *Node) {
		prepare(next, node)
		next++
	})
}

// FreePort is for what others must know before it listens.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func start(t testing.TB, n int, prepare func(*Node)) *Cluster {
	t.Helper()
	c := &Cluster{Control: NewControl(t)}
	for i := range n {
		node := &Node{t: t, cluster: c, Name: fmt.Sprintf("broker-%d", i+1), Dir: t.TempDir(), clustered: n > 1}
		prepare(node)
		c.Nodes = append(c.Nodes, node)
	}
	for _, node := range c.Nodes {
		node.Start()
		t.Cleanup(node.Stop)
	}
	for _, node := range c.Nodes {
		node.WaitCaughtUp()
		node.waitRouted()
	}
	return c
}

// WaitApplied waits until the revision is in force on every running broker.
func (c *Cluster) WaitApplied(revision resolver.Revision) {
	for _, node := range c.Nodes {
		if node.Broker != nil {
			node.WaitApplied(revision)
		}
	}
}

// Node is one broker, which can be stopped and started again. It must not be
// used by several goroutines while that happens.
type Node struct {
	*broker.Broker // nil while stopped
	Name           string
	Dir            string // its data directory
	WithoutControl bool   // the next Start is given neither control's URL nor a token
	Alone          bool   // the next Start does not join the cluster
	Store          string // "cache": the next Start holds only what is asked for
	CacheSize      string // of the cache
	WhenAlone      admission.WhenAlone
	MaxAge         time.Duration
	Configuration  string        // the whole of nats.conf for the next Start; "": what Start and StartJetStream say
	ControlAddress string        // where control reaches the next Start's broker; "": where clients do
	Announce       string        // what the next Start announces beside its listeners
	CAFile         string        // what the next Start hands out
	LameDuck       time.Duration // how long a lame-duck mode of the next Start takes, half of it grace; 0: as nats-server has it
	AloneAfter     time.Duration // how long the next Start's broker waits for control; 0: a moment, and Start waits until clients may log in

	t         testing.TB
	cluster   *Cluster
	clustered bool
	routes    int // the port of a cluster with JetStream, whose members must know each other's beforehand; 0: any, without
}

// ConsoleCookie is where a broker looks for the JWT of who comes over WebSocket without one.
const ConsoleCookie = "signalbox_console"

// Start starts the broker on what is in its data directory.
func (n *Node) Start() {
	n.t.Helper()
	cfg := broker.Config{DataDir: n.Dir, Name: n.Name, MetricsAddress: "127.0.0.1:0", Logger: Logger(n.t).With("broker", n.Name), Adjust: n.adjust,
		Store: n.Store, CacheSize: n.CacheSize, WhenAlone: n.WhenAlone, MaxAge: n.MaxAge, AloneAfter: cmp.Or(n.AloneAfter, moment),
		ControlAddress: n.ControlAddress, Announce: n.Announce, CAFile: n.CAFile}
	if n.Configuration != "" {
		cfg.Adjust, cfg.NATSConfigFile = nil, filepath.Join(n.t.TempDir(), "nats.conf")
		if err := os.WriteFile(cfg.NATSConfigFile, []byte(n.Configuration), 0o600); err != nil {
			n.t.Fatal(err)
		}
	}
	if !n.WithoutControl {
		cfg.ControlURL, cfg.EnrollmentToken = n.cluster.Control.URL(), EnrollmentToken
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	b, err := broker.Start(ctx, cfg)
	if err != nil {
		n.t.Fatalf("start %s: %v", n.Name, err)
	}
	n.Broker = b
	if n.AloneAfter == 0 {
		n.WaitOpen()
	}
}

// WaitOpen waits until tenants' clients may log in.
func (n *Node) WaitOpen() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := n.Broker.WaitOpen(ctx); err != nil {
		n.t.Fatalf("%s: %v", n.Name, err)
	}
}

// Stop stops the broker; its data stays.
func (n *Node) Stop() {
	if n.Broker != nil {
		n.Broker.Stop()
		n.Broker = nil
	}
}

// TakeTime has a server wait ten seconds for a client's login instead of two: how busy
// the machine is should not decide who is let in.
func TakeTime(o *server.Options) {
	const enough = 10 * time.Second
	o.AuthTimeout, o.Websocket.HandshakeTimeout = enough.Seconds(), enough
	o.Websocket.AuthTimeout, o.MQTT.AuthTimeout, o.LeafNode.AuthTimeout = o.AuthTimeout, o.AuthTimeout, o.AuthTimeout
}

func (n *Node) adjust(o *server.Options) {
	const host = "127.0.0.1"
	TakeTime(o)
	o.Host, o.Port = host, server.RANDOM_PORT
	o.Websocket.Host, o.Websocket.Port, o.Websocket.NoTLS = host, server.RANDOM_PORT, true
	o.Websocket.JWTCookie = ConsoleCookie
	o.LeafNode.Host, o.LeafNode.Port = host, server.RANDOM_PORT
	o.MaxPending = server.MAX_PENDING_SIZE
	o.LameDuckGracePeriod, o.LameDuckDuration = n.LameDuck/2, n.LameDuck
	if !n.clustered {
		o.MQTT.Host, o.MQTT.Port = host, server.RANDOM_PORT
		return
	}
	o.Cluster.Name, o.Cluster.Host, o.Cluster.Port = "test", host, server.RANDOM_PORT
	if n.routes > 0 {
		o.Cluster.Port = n.routes
		for _, other := range n.cluster.Nodes {
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: host + ":" + strconv.Itoa(other.routes)})
		}
		return
	}
	o.JetStream, o.StoreDir = false, ""
	for _, other := range n.cluster.Nodes {
		if other != n && other.Broker != nil && !n.Alone {
			port := strconv.Itoa(other.Server().ClusterAddr().Port)
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: host + ":" + port})
		}
	}
}

// WaitApplied waits until the revision is in force here.
func (n *Node) WaitApplied(revision resolver.Revision) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := n.Broker.WaitApplied(ctx, revision); err != nil {
		n.t.Fatalf("%s: %v", n.Name, err)
	}
}

// WaitCaughtUp waits until the broker has everything from control once.
func (n *Node) WaitCaughtUp() {
	n.t.Helper()
	timeout := time.After(Patience)
	for {
		p, changed := n.Progress()
		if p.CaughtUp {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			n.t.Fatalf("%s never caught up: %+v", n.Name, p)
		}
	}
}

// waitRouted waits until the broker has all routes to all others: before that, what is published here
// may not be heard there.
func (n *Node) waitRouted() {
	n.t.Helper()
	perPeer := server.DEFAULT_ROUTE_POOL_SIZE + 1 // the system account's own
	for deadline := time.Now().Add(Patience); n.Server().NumRoutes() < perPeer*(len(n.cluster.Nodes)-1); {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s has %d routes to %d others", n.Name, n.Server().NumRoutes(), len(n.cluster.Nodes)-1)
		}
		<-time.After(time.Millisecond) // the pace of asking
	}
}

// Credential is a user's key and JWT.
type Credential struct {
	Key  claims.UserKey
	JWT  string
	Seed claims.Seed
}

// Creds is the creds file.
func (c Credential) Creds() []byte { return claims.FormatCreds(c.JWT, c.Seed) }

// File writes the creds file below the test's directory and returns its path.
func (c Credential) File(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(path, c.Creds(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Option makes nats.go log in with the credential.
func (c Credential) Option() nats.Option {
	return nats.UserJWT(
		func() (string, error) { return c.JWT, nil },
		func(nonce []byte) ([]byte, error) {
			pair, err := nkeys.FromSeed(c.Seed.Reveal())
			if err != nil {
				return nil, err
			}
			return pair.Sign(nonce)
		})
}

// Dial connects a client to that broker, which does not come back by itself.
func (c Credential) Dial(url string, more ...nats.Option) (*nats.Conn, error) {
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}) // being revoked is what tests are about
	return nats.Connect(url, append([]nats.Option{c.Option(), nats.NoReconnect(), nats.IgnoreDiscoveredServers(), nats.Timeout(Patience), quiet}, more...)...)
}

// Connect is Dial for who must be let in. The client is closed with the test.
func (c Credential) Connect(t testing.TB, url string, more ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := c.Dial(url, more...)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// WaitClosed waits until the server has closed the connection.
func WaitClosed(t testing.TB, nc *nats.Conn) {
	t.Helper()
	closed := nc.StatusChanged(nats.CLOSED)
	if nc.IsClosed() {
		return
	}
	select {
	case <-closed:
	case <-time.After(Patience):
		t.Fatalf("the connection is still open: %v", nc.Status())
	}
}

// NewOperatorSeed makes a seed and its public key.
func NewOperatorSeed(t testing.TB) (claims.Seed, claims.OperatorKey) {
	t.Helper()
	seed := must(claims.NewOperatorSeed())(t)
	return seed, must(seed.OperatorKey())(t)
}

// NewAccountSeed makes a seed and its public key.
func NewAccountSeed(t testing.TB) (claims.Seed, claims.AccountKey) {
	t.Helper()
	seed := must(claims.NewAccountSeed())(t)
	return seed, must(seed.AccountKey())(t)
}

// NewUserSeed makes a seed and its public key.
func NewUserSeed(t testing.TB) (claims.Seed, claims.UserKey) {
	t.Helper()
	seed := must(claims.NewUserSeed())(t)
	return seed, must(seed.UserKey())(t)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Logger writes to the test's log, and to nothing once the test is over.
func Logger(t testing.TB) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(w.end)
	return slog.New(slog.NewTextHandler(w, nil))
}

type testWriter struct {
	mu sync.Mutex
	t  testing.TB
}

func (w *testWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(string(bytes.TrimRight(line, "\n")))
	}
	return len(line), nil
}

func (w *testWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}
