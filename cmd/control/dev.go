package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/postgres/embedded"
)

// dev runs everything on this machine, with all state in one folder: Postgres
// (unless DATABASE_URL names one), control in this process, and a broker as a
// process of its own, enrolled with a token like any other. It returns when ctx
// ends, after stopping all of it in the opposite order.
func dev(ctx context.Context, s *settings, _ []string, stdout io.Writer) error {
	d := &s.dev
	logs, err := d.prepare()
	if err != nil {
		return err
	}
	if err := d.checkPorts(); err != nil {
		return err
	}
	if d.tls, err = prepareTLS(d.data, time.Now()); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "Starting Signalbox…")
	if s.databaseURL == "" {
		server, err := embedded.Start(ctx, embedded.Options{Dir: filepath.Join(d.data, "postgres"), Log: logs.postgres})
		if err != nil {
			return err
		}
		defer server.Stop()
		s.databaseURL = server.URL()
	}
	if err := s.devDefaults(); err != nil {
		return err
	}
	r, err := newReplica(ctx, s, slog.New(slog.NewTextHandler(logs.control, nil)))
	if err != nil {
		return err
	}
	b := &brokerProcess{settings: d, cookie: s.consoleCookie, token: s.enrollmentToken, log: logs.broker}
	return d.runAll(ctx, r, b, stdout)
}

// runAll runs control and the broker, and says so once both are ready. Control
// outlives the broker, so that its last words are still heard.
func (d *devSettings) runAll(ctx context.Context, r *replica, b *brokerProcess, stdout io.Writer) error {
	fronts, err := d.fronts()
	if err != nil {
		return err
	}
	controlCtx, stopControl := context.WithCancel(context.WithoutCancel(ctx))
	defer stopControl()
	g, ctx := errgroup.WithContext(ctx)
	control := make(chan error, 1)
	go func() { control <- r.run(controlCtx) }()
	g.Go(func() error { return b.supervise(ctx) })
	for _, f := range fronts {
		g.Go(func() error { return f.run(ctx) })
	}
	g.Go(func() error {
		select {
		case err := <-control:
			control <- err
			return err
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		if err := b.awaitReady(ctx); err != nil {
			return err
		}
		fmt.Fprint(stdout, d.banner())
		return nil
	})
	err = g.Wait()
	stopControl()
	if stopped := <-control; err == nil {
		err = stopped
	}
	if err == nil {
		fmt.Fprintln(stdout, "Stopped. Everything is kept in "+d.data+".")
	}
	return err
}

// fronts are the second ports of listeners. The broker has TLS itself where it can,
// so that clients' certificates reach it. But for NATS it would then offer TLS to
// everybody, and some clients (those of JavaScript) take the offer without being
// asked to: so plain ones come in by a port where there is no talk of it.
func (d *devSettings) fronts() ([]*front, error) {
	pair, err := tls.LoadX509KeyPair(d.tls.server, d.tls.server)
	if err != nil {
		return nil, fmt.Errorf("read the broker's certificate: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	here := func(port string) string { return net.JoinHostPort("127.0.0.1", port) }
	return []*front{
		{listen: here(d.natsPort), to: here(d.natsTLSPort)},
		{listen: here(d.wssPort), to: here(d.wsPort), config: config},
		{listen: here(d.leafTLSPort), to: here(d.leafPort), serverBegins: true, config: config},
	}, nil
}

func (d *devSettings) banner() string {
	return fmt.Sprintf(`
Signalbox is running.

  Web UI and API   http://127.0.0.1:%[1]s       sign up here
  NATS             nats://127.0.0.1:%[2]s       tls://127.0.0.1:%[10]s
  WebSocket        ws://127.0.0.1:%[3]s         wss://127.0.0.1:%[4]s
  MQTT             mqtt://127.0.0.1:%[5]s       mqtts://127.0.0.1:%[5]s
  Leaf nodes       nats-leaf://127.0.0.1:%[6]s  tls://127.0.0.1:%[7]s

  For TLS, trust   %[8]s
  State and logs   %[9]s
  Ctrl-C stops it all; the next start carries on.

`, d.httpPort, d.natsPort, d.wsPort, d.wssPort, d.mqttPort, d.leafPort, d.leafTLSPort, d.tls.ca, d.data, d.natsTLSPort)
}

// devDefaults are the settings of serve that dev decides by itself.
func (s *settings) devDefaults() error {
	s.listen = net.JoinHostPort("127.0.0.1", s.dev.httpPort)
	s.metrics = net.JoinHostPort("127.0.0.1", s.dev.controlPort)
	if s.masterKey == "" {
		s.masterKeyFile = filepath.Join(s.dev.data, "master.key")
		if err := writeOnce(s.masterKeyFile, keyring.GenerateMaster); err != nil {
			return fmt.Errorf("keep the master key: %w", err)
		}
	}
	if s.enrollmentToken == "" {
		file := filepath.Join(s.dev.data, "enrollment.token")
		if err := writeOnce(file, func() ([]byte, error) { return []byte("sbe_" + rand.Text()), nil }); err != nil {
			return fmt.Errorf("keep the enrolment token: %w", err)
		}
		token, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read the enrolment token: %w", err)
		}
		s.enrollmentToken = strings.TrimSpace(string(token))
	}
	return nil
}

// writeOnce makes a file that only its owner can read, unless it is there
// already. It appears whole or not at all.
func writeOnce(path string, make func() ([]byte, error)) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	content, err := make()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(content, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// devLogs are the files that the parts log to, so that the terminal stays readable.
type devLogs struct{ control, broker, postgres *os.File }

// prepare makes the state folder and opens the logs.
func (d *devSettings) prepare() (*devLogs, error) {
	abs, err := filepath.Abs(d.data)
	if err != nil {
		return nil, fmt.Errorf("find the state folder: %w", err)
	}
	d.data = abs
	folder := filepath.Join(d.data, "log")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	var logs devLogs
	for name, file := range map[string]**os.File{"control": &logs.control, "broker": &logs.broker, "postgres": &logs.postgres} {
		*file, err = os.OpenFile(filepath.Join(folder, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
	}
	return &logs, nil
}

// checkPorts names every port that is taken, with the variable that moves it.
func (d *devSettings) checkPorts() error {
	var errs []error
	for _, p := range []struct{ port, what, env string }{
		{d.httpPort, "the web UI and API", "SIGNALBOX_HTTP_PORT"},
		{d.natsPort, "NATS clients", "SIGNALBOX_NATS_PORT"},
		{d.natsTLSPort, "NATS clients with TLS", "SIGNALBOX_NATS_TLS_PORT"},
		{d.wsPort, "WebSocket", "SIGNALBOX_WS_PORT"},
		{d.wssPort, "WebSocket with TLS", "SIGNALBOX_WSS_PORT"},
		{d.mqttPort, "MQTT", "SIGNALBOX_MQTT_PORT"},
		{d.leafPort, "leaf nodes", "SIGNALBOX_LEAFNODE_PORT"},
		{d.leafTLSPort, "leaf nodes with TLS", "SIGNALBOX_LEAFNODE_TLS_PORT"},
		{d.controlPort, "control's metrics", "SIGNALBOX_CONTROL_METRICS_PORT"},
		{d.brokerPort, "the broker's metrics", "SIGNALBOX_BROKER_METRICS_PORT"},
	} {
		l, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", p.port), time.Second)
		if err == nil {
			l.Close()
			errs = append(errs, fmt.Errorf("port %s, for %s, is taken; stop what uses it or set %s to another port", p.port, p.what, p.env))
		}
	}
	return errors.Join(errs...)
}
