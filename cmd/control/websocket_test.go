package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// webStack is a stack whose broker takes pages of one origin only, and compresses.
type webStack struct {
	*stack
	*driver
	origin, elsewhere string // ports of pages
	monitor           string // URL of nats-server's monitoring
	creds             issued
	text              string // of the creds file
}

const (
	megabyte   = 1_000_000
	maxPayload = 1 << 20 // as nats-server has it by default
	// A client that does not read is given up when this is over, or when more than its share waits for it.
	writeDeadline = 5 * time.Second
)

func startWebStack(t *testing.T) *webStack {
	t.Helper()
	ports := freePorts(t, 3)
	s := startStackOn(t, func(s *stack) string {
		return fmt.Sprintf("server_name: one\nlisten: 127.0.0.1:%s\nhttp: 127.0.0.1:%s\nwrite_deadline: %q\nmax_pending: 8MB\n"+
			"websocket { listen: 127.0.0.1:%s, no_tls: true, compression: true, allowed_origins: [\"http://127.0.0.1:%s\"] }\n",
			s.ports[1], ports[2], writeDeadline, s.ports[2], ports[0])
	})
	c := s.signUp("page")
	w := &webStack{stack: s, driver: startDriver(t, newAuthority(t)), origin: ports[0], elsewhere: ports[1], monitor: "http://127.0.0.1:" + ports[2], creds: c.issue(c.user("page", "").ID)}
	text, err := os.ReadFile(w.creds.file)
	check(t, err)
	w.text = string(text)
	c.inForce()
	return w
}

// page opens a page of that origin in Chromium, which connects.
func (w *webStack) page(name, origin string) (*foreign, error) {
	port := 0
	_, err := fmt.Sscan(origin, &port)
	check(w.driver.t, err)
	return w.connect(name, "chromium", map[string]any{"url": w.ws, "creds": w.text, "port": port})
}

// upgrade asks for a WebSocket as a page of that origin does, and answers the status.
func (w *webStack) upgrade(origin string) int {
	t := w.driver.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", strings.Replace(w.ws, "ws:", "http:", 1), nil)
	check(t, err)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": origin} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	check(t, err)
	res.Body.Close()
	return res.StatusCode
}

func TestPageOfAnotherOriginGetsNoWebSocket(t *testing.T) {
	t.Parallel()
	w := startWebStack(t)
	good, err := w.page("good", w.origin)
	if err != nil {
		t.Fatalf("a page of the origin that is allowed: %v", err)
	}
	good.must("subscribe", map[string]any{"topic": "greeting"})
	good.must("publish", map[string]any{"topic": "greeting", "data": "hello"})
	eventually(t, "the page to hear itself", func() error {
		if len(good.heard("message")) == 0 {
			return errors.New("nothing")
		}
		return nil
	})
	if _, err := w.page("bad", w.elsewhere); err == nil {
		t.Error("a page of another origin is let in, by creds that are good")
	}
	for origin, want := range map[string]int{
		"http://127.0.0.1:" + w.origin:         http.StatusSwitchingProtocols,
		"":                                     http.StatusSwitchingProtocols, // no browser
		"http://127.0.0.1:" + w.elsewhere:      http.StatusForbidden,
		"https://127.0.0.1:" + w.origin:        http.StatusForbidden,
		"http://127.0.0.1.evil.example":        http.StatusForbidden,
		"http://localhost:" + w.origin:         http.StatusForbidden,
		"null":                                 http.StatusForbidden,
		"http://127.0.0.1:" + w.origin + "0":   http.StatusForbidden,
		"http://user@127.0.0.1:" + w.elsewhere: http.StatusForbidden,
	} {
		if got := w.upgrade(origin); got != want {
			t.Errorf("origin %q: status %d, want %d", origin, got, want)
		}
	}
}

// Frames of a megabyte go both ways, compressed where both sides want that, and not
// where the client does not. More than max_payload is refused. nats-server holds all
// that one compressed frame unpacks to against it, so there a message of just
// max_payload is too much already, with the line before it.
func TestWebSocketCarriesAMegabyteCompressedAndNot(t *testing.T) {
	t.Parallel()
	w := startWebStack(t)
	type tried struct {
		compressed bool
		dial       func(url string) (exchange func(size int) error, err error)
	}
	overGo := func(compress bool) func(string) (func(int) error, error) {
		return func(url string) (func(int) error, error) {
			nc, err := nats.Connect(url, nats.UserCredentials(w.creds.file), nats.NoReconnect(), nats.Timeout(patience), nats.Compression(compress), nats.IgnoreDiscoveredServers())
			if err != nil {
				return nil, err
			}
			t.Cleanup(nc.Close)
			return func(size int) error {
				// The server tells clients what is too much, and nats.go keeps to it.
				sub, err := nc.SubscribeSync("mirror")
				if err != nil {
					return err
				}
				defer sub.Unsubscribe()
				if err := nc.Publish("mirror", make([]byte, size)); err != nil {
					return err
				}
				m, err := sub.NextMsg(patience)
				if err == nil && len(m.Data) != size {
					err = fmt.Errorf("%d bytes came back", len(m.Data))
				}
				return err
			}, nil
		}
	}
	inJS := func(name, kind string, request map[string]any) func(string) (func(int) error, error) {
		return func(url string) (func(int) error, error) {
			request["url"], request["creds"] = url, w.text
			f, err := w.connect(name, kind, request)
			if err != nil {
				return nil, err
			}
			if _, err := f.do("subscribe", map[string]any{"topic": "mirror." + name}); err != nil {
				return nil, err
			}
			return func(size int) error {
				before := len(f.heard("message"))
				if _, err := f.do("publish", map[string]any{"topic": "mirror." + name, "size": size}); err != nil {
					return err
				}
				var got []said
				eventually(t, name+" to hear itself", func() error {
					select {
					case <-f.ended:
						return nil
					default:
					}
					if got = f.heard("message"); len(got) == before {
						return errors.New("nothing")
					}
					return nil
				})
				if len(got) == before {
					return errors.New("the connection is closed")
				}
				if last := got[len(got)-1]; last.Size != size {
					return fmt.Errorf("%d bytes came back", last.Size)
				}
				return nil
			}, nil
		}
	}
	port := 0
	_, err := fmt.Sscan(w.origin, &port)
	check(t, err)
	for name, one := range map[string]tried{
		"nats.go compressed": {true, overGo(true)},
		"nats.go":            {false, overGo(false)},
		"nats.ws compressed": {true, inJS("nats-ws-compressed", "nats.ws", map[string]any{"compress": true})},
		"nats.ws":            {false, inJS("nats-ws", "nats.ws", map[string]any{})},
		"Chromium":           {true, inJS("chromium", "chromium", map[string]any{"port": port})},
	} {
		between := newTurnstile(t, w.ports[2])
		exchange, err := one.dial("ws://127.0.0.1:" + between.port())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		toUs, toThem := between.toUs.Load(), between.toThem.Load()
		if err := exchange(megabyte); err != nil {
			t.Errorf("%s: a megabyte: %v", name, err)
		}
		went, came := between.toThem.Load()-toThem, between.toUs.Load()-toUs
		t.Logf("%s: a megabyte of one letter went in %d bytes and came back in %d", name, went, came)
		if (went < megabyte/10) != one.compressed || (came < megabyte/10) != one.compressed {
			t.Errorf("%s: a megabyte of one letter went in %d bytes and came back in %d, want it compressed: %t", name, went, came, one.compressed)
		}
		most := maxPayload
		if one.compressed {
			most -= 100
		}
		if err := exchange(most); err != nil {
			t.Errorf("%s: %d bytes: %v", name, most, err)
		}
		if err := exchange(maxPayload + 1); err == nil {
			t.Errorf("%s: one byte more than max_payload is taken", name)
		}
	}
}

// deafConn stops reading when it is told.
type deafConn struct {
	net.Conn
	deaf chan struct{} // closed: reads wait
	wake chan struct{} // closed: they go on
}

func (c *deafConn) Read(p []byte) (int, error) {
	select {
	case <-c.deaf:
		<-c.wake
	default:
	}
	return c.Conn.Read(p)
}

// Dial makes it nats.go's dialer.
func (c *deafConn) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	c.Conn = conn
	return c, nil
}

// slowConsumers is how many clients the broker has given up because they do not read.
func (w *webStack) slowConsumers() (int, error) {
	res, err := http.Get(w.monitor + "/varz")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	var v struct {
		SlowConsumers int `json:"slow_consumers"`
	}
	return v.SlowConsumers, json.Unmarshal(text, &v)
}

// A client that stops reading is dropped, and nobody waits for it: neither who
// publishes to it nor who has nothing to do with it.
func TestClientThatStopsReadingIsDroppedAndNobodyWaits(t *testing.T) {
	t.Parallel()
	w := startWebStack(t)
	connect := func(url string, more ...nats.Option) *nats.Conn {
		nc, err := nats.Connect(url, append([]nats.Option{nats.UserCredentials(w.creds.file), nats.NoReconnect(), nats.Timeout(patience),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}, more...)...)
		check(t, err)
		t.Cleanup(nc.Close)
		return nc
	}
	deaf := &deafConn{deaf: make(chan struct{}), wake: make(chan struct{})}
	awake := sync.OnceFunc(func() { close(deaf.wake) })
	t.Cleanup(awake)
	stalled := connect(w.ws, nats.SetCustomDialer(deaf))
	gone := stalled.StatusChanged(nats.CLOSED)
	_, err := stalled.Subscribe("flood", func(*nats.Msg) {})
	check(t, errors.Join(err, stalled.Flush()))

	answerer, asker, publisher := connect(w.ws), connect(w.ws), connect(w.nats)
	listener, err := answerer.SubscribeSync("flood") // reads what the other does not
	check(t, err)
	_, err = answerer.Subscribe("ask", func(m *nats.Msg) { _ = m.Respond(nil) })
	check(t, errors.Join(err, answerer.Flush()))
	ask := func(n int, until func() bool) (took []time.Duration) {
		for len(took) < n || until != nil && !until() {
			began := time.Now()
			check(t, second(asker.Request("ask", nil, patience)))
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took
	}
	quiet := ask(200, nil)

	close(deaf.deaf)
	flooded := make(chan int, 1)
	began := time.Now()
	var published []time.Duration // what each message took
	go func() {
		defer func() { flooded <- len(published) }()
		for len(published) < 1000 { // 100 MB, more than anybody keeps for it
			slow, err := w.slowConsumers()
			if err != nil || slow > 0 {
				return
			}
			before := time.Now()
			err = errors.Join(publisher.Publish("flood", make([]byte, megabyte/10)), publisher.Flush())
			published = append(published, time.Since(before))
			if err != nil {
				t.Errorf("publish: %v", err)
				return
			}
		}
	}()
	n := 0
	busy := ask(200, func() bool {
		select {
		case n = <-flooded:
			return true
		default:
			return false
		}
	})
	eventually(t, "the client to be dropped", func() error {
		if slow, err := w.slowConsumers(); err != nil || slow != 1 {
			return fmt.Errorf("%d are: %w", slow, err)
		}
		return nil
	})
	t.Logf("dropped after %v and %d messages of 100 KiB", time.Since(began), n)
	for range n {
		if m, err := listener.NextMsg(patience); err != nil || len(m.Data) != megabyte/10 {
			t.Fatalf("who reads has not got all: %v", err)
		}
	}
	awake()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the client's connection is still open")
	}
	t.Logf("requests of others: p50 %v, max %v before; p50 %v, max %v of %d meanwhile",
		quiet[len(quiet)/2], quiet[len(quiet)-1], busy[len(busy)/2], busy[len(busy)-1], len(busy))
	t.Logf("messages to it took %v at most", slices.Max(published))
	if most := max(busy[len(busy)-1], slices.Max(published)); most > time.Second {
		t.Errorf("others waited for %v", most)
	}
}
