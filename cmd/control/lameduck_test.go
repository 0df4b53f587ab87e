//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// member is a broker of a cluster with JetStream that clients move about in.
type member struct {
	name  string
	nats  string // URLs
	ws    string
	ready string // URL of /readyz
	*process
}

// startCluster starts control and three brokers that tell clients of each other.
func startCluster(t *testing.T, more string) (*stack, []member) {
	t.Helper()
	s := newStack(t)
	s.startControl()
	const size = 3
	ports := freePorts(t, 4*size)
	var routes []string
	for i := range size {
		routes = append(routes, "nats://127.0.0.1:"+ports[4*i+2])
	}
	var members []member
	for i := range size {
		own := ports[4*i : 4*i+4]
		m := member{name: fmt.Sprint("broker-", i+1), nats: "nats://127.0.0.1:" + own[0], ws: "ws://127.0.0.1:" + own[1], ready: "http://127.0.0.1:" + own[3]}
		dir := filepath.Join(s.dir, m.name)
		config := fmt.Sprintf("server_name: %s\nlisten: 127.0.0.1:%s\nwebsocket { listen: 127.0.0.1:%s, no_tls: true }\n"+
			"cluster { name: moving, listen: 127.0.0.1:%s, routes: [%s] }\njetstream { store_dir: %q, max_file_store: 10GB, max_memory_store: 1GB }\n%s\n",
			m.name, own[0], own[1], own[2], strings.Join(routes, ", "), filepath.Join(dir, "jetstream"), more)
		check(t, errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "nats.conf"), []byte(config), 0o600)))
		m.process = startProcess(t, []string{"SIGNALBOX_TOKEN=" + enrolment}, "broker", "--control", s.url, "--data", filepath.Join(dir, "data"),
			"-c", filepath.Join(dir, "nats.conf"), "--control-address", m.nats, "--metrics", "127.0.0.1:"+own[3])
		members = append(members, m)
	}
	for _, m := range members {
		eventually(t, m.name+" to be ready", func() error { return ready(m.ready, 200) })
	}
	return s, members
}

// sender publishes numbered messages to a stream, each until it is acknowledged.
type sender struct {
	name   string
	acked  func() int
	finish func() (acked, retried int)  // stops it
	server func() string                // that it is connected to
	moved  func() (told, cut time.Time) // when its server said that it leaves, and when the connection ended; zero: never
}

// sendFromGo is a sender on nats.go.
func sendFromGo(t *testing.T, name, url, creds string) sender {
	t.Helper()
	var told, cut atomic.Pointer[time.Time]
	first := func(at *atomic.Pointer[time.Time]) { now := time.Now(); at.CompareAndSwap(nil, &now) }
	nc, err := nats.Connect(url, nats.UserCredentials(creds), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.LameDuckModeHandler(func(*nats.Conn) { first(&told) }), nats.DisconnectErrHandler(func(*nats.Conn, error) { first(&cut) }))
	check(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var acked, retried atomic.Int64
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			text := strconv.FormatInt(acked.Load(), 10)
			try, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := js.Publish(try, "numbers."+name, []byte(text), jetstream.WithMsgID(name+text), jetstream.WithRetryAttempts(0))
			cancel()
			if err != nil {
				retried.Add(1)
				continue
			}
			acked.Add(1)
		}
	}()
	return sender{name, func() int { return int(acked.Load()) }, func() (int, int) {
		stop()
		<-done
		return int(acked.Load()), int(retried.Load())
	}, nc.ConnectedServerName, func() (_, _ time.Time) {
		t, c := told.Load(), cut.Load()
		if t == nil || c == nil {
			return
		}
		return *t, *c
	}}
}

// sendFromNode is a sender on one of the clients in JavaScript.
func sendFromNode(d *driver, name, kind, url, creds string) sender {
	d.t.Helper()
	f := d.mustConnect(name, kind, map[string]any{"url": url, "creds": creds, "reconnect": true})
	f.must("send", map[string]any{"topic": "numbers." + name})
	return sender{name, func() int { return f.must("sent", nil).Acknowledged }, func() (int, int) {
		s := f.must("stop", nil)
		return s.Acknowledged, s.Retried
	}, func() string { return f.must("server", nil).Data }, func() (told, cut time.Time) {
		for event, at := range map[string]*time.Time{"ldm": &told, "disconnect": &cut} {
			if heard := f.heard(event); len(heard) > 0 {
				*at = heard[0].at
			}
		}
		return told, cut
	}}
}

// Clients of a broker that goes into lame-duck mode are told, and nobody is cut off
// before the grace is over; then they move, one by one, to the others of its cluster: no message
// that was acknowledged is lost, no login is refused, and what is revoked meanwhile
// is out at once, as ever.
func TestClientsOfALameDuckMoveAndLoseNothing(t *testing.T) {
	t.Parallel()
	const grace = 5 * time.Second
	s, members := startCluster(t, fmt.Sprintf("lame_duck_duration: 30s, lame_duck_grace_period: %q", grace))
	d := startDriver(t, newAuthority(t))
	c := s.signUp("mover")
	creds := c.issue(c.user("mover", "").ID)
	doomed := c.issue(c.user("doomed", "").ID)
	c.inForce()
	text, err := os.ReadFile(creds.file)
	check(t, err)

	duck, others := members[0], members[1:]
	admin := mustConnect(t, others[0].nats, creds.file)
	js, err := jetstream.New(admin.Conn)
	check(t, err)
	var stream jetstream.Stream
	eventually(t, "a stream on three brokers", func() error {
		stream, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "NUMBERS", Subjects: []string{"numbers.*"}, Replicas: 3})
		return err
	})
	senders := []sender{
		sendFromGo(t, "go-1", duck.nats, creds.file), sendFromGo(t, "go-2", duck.nats, creds.file),
		sendFromNode(d, "node-1", "transport-node", duck.nats, string(text)), sendFromNode(d, "node-2", "transport-node", duck.nats, string(text)),
		sendFromNode(d, "ws", "nats.ws", duck.ws, string(text)),
	}
	revokee := newGuest(t, duck.nats, doomed.file)
	sendOn := func(n int) {
		t.Helper()
		for _, one := range senders {
			from := one.acked()
			eventually(t, fmt.Sprint(n, " messages more of ", one.name), func() error {
				if got := one.acked(); got < from+n {
					return fmt.Errorf("%d", got-from)
				}
				return nil
			})
		}
	}
	sendOn(30)
	for _, one := range senders {
		if at := one.server(); at != duck.name {
			t.Fatalf("%s is connected to %s, want %s", one.name, at, duck.name)
		}
	}

	began := time.Now()
	check(t, duck.cmd.Process.Signal(syscall.SIGUSR2))
	eventually(t, "the broker not to be ready any more", func() error { return ready(duck.ready, 503) })
	revoked := time.Now()
	c.must("POST", "/v1/credentials/"+doomed.ID+"/revoke", map[string]any{}, nil)
	select {
	case at := <-revokee.gone:
		t.Logf("revoked on the lame duck: out after %v", at.Sub(revoked))
		if at.Sub(began) > grace {
			t.Error("it may be out because everybody is")
		}
	case <-time.After(patience):
		t.Error("revoked on the lame duck: still there")
	}
	select {
	case <-duck.done:
		t.Logf("the broker was done after %v", time.Since(began))
		if duck.err != nil {
			t.Errorf("the broker ended with %v", duck.err)
		}
	case <-time.After(patience):
		t.Fatal("the broker does not end")
	}
	sendOn(30)
	var cuts []time.Time
	for _, one := range senders {
		if at := one.server(); at != others[0].name && at != others[1].name {
			t.Errorf("%s is connected to %q, want one of the others", one.name, at)
		}
		acked, retried := one.finish()
		t.Logf("%s: %d messages acknowledged, %d tries were not", one.name, acked, retried)
		told, cut := one.moved()
		cuts = append(cuts, cut)
		if told.IsZero() || !told.Before(cut) || cut.Sub(began) < grace {
			t.Errorf("signalled at %v, %s was told at %v and cut off at %v; want it told first, and %v of grace", began, one.name, told, cut, grace)
		}
		wantNumbers(t, stream, one.name, acked)
	}
	if apart := slices.MaxFunc(cuts, time.Time.Compare).Sub(slices.MinFunc(cuts, time.Time.Compare)); apart < time.Second {
		t.Errorf("all were cut off within %v, want one after the other", apart)
	}
	if got := c.refusals(); len(got) != 0 {
		t.Errorf("logins were refused: %+v", got)
	}
}

// wantNumbers fails unless the stream has every number below n of the sender.
func wantNumbers(t *testing.T, stream jetstream.Stream, name string, n int) {
	t.Helper()
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{"numbers." + name}})
	check(t, err)
	found := map[string]bool{}
	for deadline := time.Now().Add(patience); len(found) < n && time.Now().Before(deadline); {
		batch, err := consumer.Fetch(1000, jetstream.FetchMaxWait(time.Second))
		check(t, err)
		for m := range batch.Messages() {
			found[string(m.Data())] = true
		}
	}
	for i := range n {
		if !found[strconv.Itoa(i)] {
			t.Errorf("%s: message %d of %d was acknowledged and is not in the stream", name, i, n)
		}
	}
}
