package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// entrance is a broker's listeners, of one kind: plain or over TLS.
type entrance struct {
	name string
	tls  bool
	// Ports of 127.0.0.1.
	nats, ws, mqtt, leaf string
}

// url is where one of its ports is reached by a scheme, with an s when it is over TLS.
func (e entrance) url(scheme, port string) string {
	switch {
	case e.tls && scheme == "nats":
		scheme = "tls"
	case e.tls:
		scheme += "s"
	}
	return scheme + "://127.0.0.1:" + port
}

// house is where clients of every kind are tried: a broker without TLS, one with,
// and one within the process of the test.
type house struct {
	*stack
	authority authority
	roots     *x509.CertPool
	driver    *driver
	plain     entrance
	secure    entrance
	inside    *broker.Broker
	count     atomic.Int64
}

func startHouse(t *testing.T) *house {
	t.Helper()
	h := &house{stack: startStack(t), authority: newAuthority(t), roots: x509.NewCertPool()}
	ca, err := os.ReadFile(h.authority.ca)
	check(t, err)
	h.roots.AppendCertsFromPEM(ca)
	h.plain = entrance{name: "plain", nats: h.ports[1], ws: h.ports[2], mqtt: h.ports[3], leaf: h.ports[4]}
	ports := freePorts(t, 6)
	h.secure = entrance{name: "TLS", tls: true, nats: ports[0], ws: ports[1], mqtt: ports[2], leaf: ports[3]}
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	// control comes in without TLS, on the port that takes both.
	check(t, os.WriteFile(file, fmt.Appendf(nil, "server_name: secure\nlisten: 127.0.0.1:%s\nallow_non_tls: true\n%s\n"+
		"websocket { listen: 127.0.0.1:%s, %[2]s }\nmqtt { listen: 127.0.0.1:%[4]s, %[2]s }\nleafnodes { listen: 127.0.0.1:%[5]s, %[2]s }\n"+
		"jetstream { store_dir: %[6]q, max_file_store: 1TB, max_memory_store: 16GB }\n",
		ports[0], h.authority.tls(""), ports[1], ports[2], ports[3], filepath.Join(dir, "jetstream")), 0o600))
	startProcess(t, []string{"SIGNALBOX_TOKEN=" + enrolment}, "broker", "--control", h.stack.url, "--data", filepath.Join(dir, "broker"), "-c", file,
		"--control-address", "nats://127.0.0.1:"+ports[0], "--metrics", "127.0.0.1:"+ports[4])
	eventually(t, "the broker with TLS to be ready", func() error { return ready("http://127.0.0.1:"+ports[4], 200) })
	h.inside, err = broker.Start(t.Context(), broker.Config{ControlURL: h.stack.url, EnrollmentToken: enrolment, DataDir: t.TempDir(), Name: "inside",
		Adjust: func(o *server.Options) {
			o.Host, o.Port = "127.0.0.1", port(ports[5])
			o.WriteDeadline = 100 * time.Millisecond // for as long as this a pipe keeps the server from ending what it refuses
		}})
	check(t, err)
	t.Cleanup(h.inside.Stop)
	check(t, h.inside.WaitOpen(t.Context()))
	h.driver = startDriver(t, h.authority)
	return h
}

func port(text string) int {
	n, _ := strconv.Atoi(text) // one of freePorts
	return n
}

// badge is what a client shows: a bearer credential, so that each protocol can carry it.
type badge struct{ user, file, creds, jwt string }

// badge issues a credential of a new user in the role.
func (c *customer) badge(account, role string) badge {
	c.t.Helper()
	var user resource
	c.must("POST", "/v1/accounts/"+account+"/users", map[string]any{"name": "user-of-" + strings.ToLower(role), "role_id": role}, &user)
	var out struct{ JWT, Creds string }
	c.must("POST", "/v1/users/"+user.ID+"/credentials", map[string]any{}, &out)
	p := badge{user: user.ID, file: filepath.Join(c.t.TempDir(), "user.creds"), creds: out.Creds, jwt: out.JWT}
	check(c.t, os.WriteFile(p.file, []byte(out.Creds), 0o600))
	return p
}

// caller is a client that was let in.
type caller struct {
	exchange func(topic, text string) (string, error)
	ended    <-chan struct{} // closed when the server has closed the connection
	endedAt  func() time.Time
	close    func()
}

// way is a kind of client, over one transport.
type way struct {
	name string
	kind claims.ConnectionType
	dial func(h *house, e entrance, p badge) (*caller, error)
}

var ways = []way{
	{"nats.go", claims.Standard, func(h *house, e entrance, p badge) (*caller, error) { return h.dialGo(e.url("nats", e.nats), p) }},
	{"nats.go over WebSocket", claims.WebSocket, func(h *house, e entrance, p badge) (*caller, error) { return h.dialGo(e.url("ws", e.ws), p) }},
	{"transport-node", claims.Standard, func(h *house, e entrance, p badge) (*caller, error) {
		options := map[string]any{}
		if e.tls {
			options["tls"] = map[string]any{"caFile": h.authority.ca}
		}
		return h.dialForeign("transport-node", map[string]any{"url": e.url("nats", e.nats), "creds": p.creds, "options": options})
	}},
	{"nats.ws", claims.WebSocket, func(h *house, e entrance, p badge) (*caller, error) {
		return h.dialForeign("nats.ws", map[string]any{"url": e.url("ws", e.ws), "creds": p.creds})
	}},
	{"nats-core in Chromium", claims.WebSocket, func(h *house, e entrance, p badge) (*caller, error) {
		return h.dialForeign("chromium", map[string]any{"url": e.url("ws", e.ws), "creds": p.creds})
	}},
	{"mqtt.js", claims.MQTT, func(h *house, e entrance, p badge) (*caller, error) {
		return h.dialForeign("mqtt.js", map[string]any{"url": e.url("mqtt", e.mqtt), "jwt": p.jwt})
	}},
	{"mqtt.js over WebSocket", claims.MQTTOverWS, func(h *house, e entrance, p badge) (*caller, error) {
		return h.dialForeign("mqtt.js", map[string]any{"url": e.url("ws", e.ws) + "/mqtt", "jwt": p.jwt})
	}},
	{"mosquitto", claims.MQTT, (*house).dialMosquitto},
	{"a leaf node", claims.LeafNode, func(h *house, e entrance, p badge) (*caller, error) { return h.dialLeaf(e.url("nats", e.leaf), p) }},
	{"a leaf node over WebSocket", claims.LeafNodeWS, func(h *house, e entrance, p badge) (*caller, error) { return h.dialLeaf(e.url("ws", e.ws), p) }},
	{"nats.go in the process", claims.InProcess, func(h *house, e entrance, p badge) (*caller, error) {
		c, err := h.dialGo("", p, nats.InProcessServer(h.inside.Server()))
		if errors.Is(err, io.ErrClosedPipe) { // in a pipe, what the server said is gone with it
			err = errOut
		}
		return c, err
	}},
}

// errOut is that the server did not let a client in because of who it is.
var errOut = errors.New("refused")

var refusal = regexp.MustCompile(`(?i)authorization violation|not authorized|not authorised`)

// refusedOr says whether a client was refused, or something else happened to it.
func refusedOr(err error) error {
	if err != nil && refusal.MatchString(err.Error()) {
		return errOut
	}
	return err
}

func (h *house) dialGo(url string, p badge, more ...nats.Option) (*caller, error) {
	ended := make(chan struct{})
	var at atomic.Pointer[time.Time]
	options := append([]nats.Option{nats.UserCredentials(p.file), nats.NoReconnect(), nats.IgnoreDiscoveredServers(), nats.Timeout(patience), h.trust(url),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		nats.ClosedHandler(func(*nats.Conn) { now := time.Now(); at.Store(&now); close(ended) })}, more...)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, refusedOr(err)
	}
	never := func() error { return nil }
	return &caller{exchangeOver(nc, never), ended, func() time.Time { return *at.Load() }, nc.Close}, nil
}

// trust has nats.go check the server's certificate, if the URL says that it has one.
func (h *house) trust(url string) nats.Option {
	return func(o *nats.Options) error {
		if strings.HasPrefix(url, "tls:") || strings.HasPrefix(url, "wss:") {
			o.TLSConfig = &tls.Config{RootCAs: h.roots}
		}
		return nil
	}
}

// again is how long a client waits for an answer before it asks again: whoever
// was to answer may have been thrown out.
const again = 200 * time.Millisecond

// exchangeOver asks somebody who answers on another subject, until stop says why not to.
func exchangeOver(nc *nats.Conn, stop func() error) func(topic, text string) (string, error) {
	return func(topic, text string) (string, error) {
		answers, err := nc.SubscribeSync("back." + topic)
		if err != nil {
			return "", err
		}
		defer answers.Unsubscribe()
		for deadline := time.Now().Add(patience); ; {
			if err := errors.Join(stop(), nc.Publish("ask."+topic, []byte(text))); err != nil {
				return "", err
			}
			m, err := answers.NextMsg(again)
			switch {
			case err == nil:
				return string(m.Data), nil
			case !errors.Is(err, nats.ErrTimeout) || time.Now().After(deadline):
				return "", err
			}
		}
	}
}

// next is a name that nobody had.
func (h *house) next() string { return fmt.Sprint("client-", h.count.Add(1)) }

func (h *house) dialForeign(kind string, request map[string]any) (*caller, error) {
	f, err := h.driver.connect(h.next(), kind, request)
	if err != nil {
		return nil, refusedOr(err)
	}
	exchange := func(topic, text string) (string, error) {
		s, err := f.do("exchange", map[string]any{"topic": topic, "data": text})
		return s.Data, err
	}
	return &caller{exchange, f.ended, f.endedAt, func() { _, _ = f.do("close", nil) }}, nil
}

// mosquittoSub is a running mosquitto_sub.
type mosquittoSub struct {
	heard chan string // "QoS retained topic text"
	end   func()
}

// startMosquittoSub returns when it has subscribed, or why it has not.
func startMosquittoSub(t *testing.T, args ...string) (*mosquittoSub, error) {
	t.Helper()
	sub := exec.Command("stdbuf", append([]string{"-oL", "mosquitto_sub", "-d", "-F", "heard %q %r %t %p"}, args...)...)
	lines, err := sub.StdoutPipe()
	if err != nil {
		return nil, err
	}
	sub.Stderr = sub.Stdout
	if err := sub.Start(); err != nil {
		return nil, err
	}
	m := &mosquittoSub{heard: make(chan string, 1000)}
	ready, over := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(over)
		for scan := bufio.NewScanner(lines); scan.Scan(); {
			text, heard := strings.CutPrefix(scan.Text(), "heard ")
			var err error
			switch {
			case heard:
				m.heard <- text
				continue
			case strings.HasPrefix(text, "Subscribed"):
			case strings.Contains(text, "onnection"):
				err = errors.New(text)
			default:
				continue
			}
			select {
			case ready <- err:
			default:
			}
		}
	}()
	m.end = sync.OnceFunc(func() {
		sub.Process.Kill()
		<-over
		_ = sub.Wait() // killed
	})
	t.Cleanup(m.end)
	select {
	case err = <-ready:
	case <-time.After(patience):
		err = errors.New("mosquitto_sub says nothing")
	}
	if err != nil {
		m.end()
	}
	return m, err
}

// dialMosquitto runs mosquitto_sub, which says nothing when its connection
// ends: what lies between it and the broker notices.
func (h *house) dialMosquitto(e entrance, p badge) (*caller, error) {
	name := h.next()
	between := newTurnstile(h.t, e.mqtt)
	args := []string{"-h", "127.0.0.1", "-p", between.port(), "-u", "thing", "-P", p.jwt}
	if e.tls {
		args = append(args, "--cafile", h.authority.ca)
	}
	sub, err := startMosquittoSub(h.t, append([]string{"-i", name, "-t", "back/#"}, args...)...)
	if err != nil {
		return nil, refusedOr(err)
	}
	exchange := func(topic, text string) (string, error) {
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			pub := exec.CommandContext(h.t.Context(), "mosquitto_pub", append([]string{"-i", name + "-pub", "-t", "ask/" + topic, "-m", text}, args...)...)
			if out, err := pub.CombinedOutput(); err != nil {
				return "", fmt.Errorf("mosquitto_pub: %w: %s", err, out)
			}
			for timeout := time.After(5 * again); timeout != nil; {
				select {
				case heard := <-sub.heard:
					// Or the answer to somebody else's question.
					if _, answer, is := strings.Cut(heard, " back/"+topic+" "); is {
						return answer, nil
					}
				case <-timeout:
					timeout = nil
				}
			}
		}
		return "", errors.New("mosquitto_sub heard nothing")
	}
	return &caller{exchange, between.ended, func() time.Time { return *between.endedAt.Load() }, sub.end}, nil
}

// turnstile leads clients to a port, and notices when the server closes the connection of the first.
type turnstile struct {
	net.Listener
	ended   chan struct{}
	endedAt atomic.Pointer[time.Time]
	toUs    atomic.Int64 // bytes from the server
	toThem  atomic.Int64
}

// counted adds up what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func newTurnstile(t *testing.T, port string) *turnstile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s := &turnstile{Listener: l, ended: make(chan struct{})}
	t.Cleanup(func() { l.Close() })
	go func() {
		for first := true; ; first = false {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				from.Close()
				continue
			}
			go func() {
				defer to.Close()
				_, _ = io.Copy(to, counted{from, &s.toThem})
			}()
			go func() {
				defer from.Close()
				_, _ = io.Copy(from, counted{to, &s.toUs})
				if first {
					now := time.Now()
					s.endedAt.Store(&now)
					close(s.ended)
				}
			}()
		}
	}()
	return s
}

func (s *turnstile) port() string {
	_, port, _ := net.SplitHostPort(s.Addr().String())
	return port
}

// leafLog is what a leaf node complains about.
type leafLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *leafLog) write(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", v...)
}

func (l *leafLog) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *leafLog) Errorf(format string, v ...any) { l.write(format, v...) }
func (l *leafLog) Fatalf(format string, v ...any) { l.write(format, v...) }
func (l *leafLog) Warnf(string, ...any)           {}
func (l *leafLog) Noticef(string, ...any)         {}
func (l *leafLog) Debugf(string, ...any)          {}
func (l *leafLog) Tracef(string, ...any)          {}

// startLeaf starts an unmodified server of that configuration. What it complains
// about is in the log.
func startLeaf(t *testing.T, config string) (*server.Server, *leafLog) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "leaf.conf")
	check(t, os.WriteFile(file, []byte(config), 0o600))
	o, err := server.ProcessConfigFile(file)
	check(t, err)
	o.Host, o.Port, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true
	leaf, err := server.NewServer(o)
	check(t, err)
	log := &leafLog{}
	leaf.SetLoggerV2(log, false, false, false)
	leaf.Start()
	t.Cleanup(func() { leaf.Shutdown(); leaf.WaitForShutdown() })
	if !leaf.ReadyForConnections(patience) {
		t.Fatal("the leaf node is not ready")
	}
	return leaf, log
}

func (h *house) dialLeaf(url string, p badge) (*caller, error) {
	trust := ""
	if strings.HasPrefix(url, "tls:") || strings.HasPrefix(url, "wss:") {
		trust = fmt.Sprintf(", tls { ca_file: %q }", h.authority.ca)
	}
	leaf, log := startLeaf(h.t, fmt.Sprintf("server_name: %s\nleafnodes { reconnect: 3600, remotes [{ url: %q, credentials: %q%s }] }", h.next(), url, p.file, trust))
	nc, err := nats.Connect(leaf.ClientURL())
	if err != nil {
		return nil, err
	}
	exchange := exchangeOver(nc, func() error {
		if said := log.said(); said != "" {
			return fmt.Errorf("the leaf node said: %s", said)
		}
		return nil
	})
	// A leaf node counts its connection before the other side has let it in.
	if _, err := exchange(fmt.Sprint("first-", h.count.Add(1)), ""); err != nil {
		leaf.Shutdown()
		return nil, refusedOr(err)
	}
	ended := make(chan struct{})
	var at atomic.Pointer[time.Time]
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for leaf.Running() && leaf.NumLeafNodes() > 0 {
			<-tick.C
		}
		now := time.Now()
		at.Store(&now)
		close(ended)
	}()
	return &caller{exchange, ended, func() time.Time { return *at.Load() }, func() { nc.Close(); leaf.Shutdown() }}, nil
}
