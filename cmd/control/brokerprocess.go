package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// brokerProcess is the broker of dev: a child that is started again when it
// dies, and that dies with its parent.
type brokerProcess struct {
	settings *devSettings
	cookie   string // with which the web UI connects
	token    string
	log      io.Writer
}

// brokerConfig is an ordinary nats-server configuration: what makes the server a
// member, the broker adds itself. JetStream's store is larger than any disk on
// purpose: what accounts may use is bounded by their limits, and a server
// refuses accounts whose limits together exceed its own.
var brokerConfig = template.Must(template.New("nats.conf").Parse(`# Written at each start of "control dev".
server_name: dev
listen: 127.0.0.1:{{.NATS}}
max_payload: 1MB
tls {
  cert_file: {{printf "%q" .Certificate}}
  key_file: {{printf "%q" .Certificate}}
  handshake_first: auto
}
allow_non_tls: true # here those from the plain port, and of MQTT
jetstream {
  store_dir: {{printf "%q" .Store}}
  max_memory_store: 64GB
  max_file_store: 64TB
}
websocket {
  listen: 127.0.0.1:{{.WS}}
  no_tls: true
  jwt_cookie: {{printf "%q" .Cookie}}
  # Any page would ride on the cookie otherwise.
  allowed_origins: [
{{- range .Origins}}
    {{printf "%q" .}}
{{- end}}
  ]
}
mqtt {
  listen: 127.0.0.1:{{.MQTT}}
  tls {
    cert_file: {{printf "%q" .Certificate}}
    key_file: {{printf "%q" .Certificate}}
  }
}
leafnodes {
  listen: 127.0.0.1:{{.Leaf}}
}
`))

// supervise runs the broker until ctx ends. One that dies is started again; one
// that cannot even start twice in a row ends it all, with its last words in the log.
func (b *brokerProcess) supervise(ctx context.Context) error {
	failures := 0
	for {
		started := time.Now()
		err := b.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(started) > 5*time.Second {
			failures = 0
		}
		if failures++; failures > 3 {
			return fmt.Errorf("the broker ended %d times in a row (%w); see %s", failures, err, filepath.Join(b.settings.data, "log", "broker.log"))
		}
		select {
		case <-time.After(time.Duration(failures) * 200 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// runOnce starts the broker and waits for its end. The thread that starts it
// stays until then, because the kernel ties the child's death to that thread's.
func (b *brokerProcess) runOnce(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := filepath.Join(b.settings.data, "broker")
	config, err := b.writeConfig(home)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, b.settings.brokerBinary, "--data", home, "-c", config,
		"--control", "http://127.0.0.1:"+b.settings.httpPort,
		"--control-address", "tls://127.0.0.1:"+b.settings.natsTLSPort,
		"--ca", b.settings.tls.ca,
		"--announce", "nats=,nats=nats://127.0.0.1:"+b.settings.natsPort+",nats=tls://127.0.0.1:"+b.settings.natsTLSPort+",websocket=wss://127.0.0.1:"+b.settings.wssPort+
			",leafnode=tls://127.0.0.1:"+b.settings.leafTLSPort+"?handshake_first=auto",
		"--name", "dev", "--metrics", "127.0.0.1:"+b.settings.brokerPort)
	cmd.Env = append(os.Environ(), "SIGNALBOX_TOKEN="+b.token)
	cmd.Stdout, cmd.Stderr = b.log, b.log
	cmd.SysProcAttr = childAttr()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}

func (b *brokerProcess) writeConfig(home string) (string, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", fmt.Errorf("make the broker's folder: %w", err)
	}
	path := filepath.Join(home, "nats.conf")
	f, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("write the broker's configuration: %w", err)
	}
	d := b.settings
	err = brokerConfig.Execute(f, map[string]any{"NATS": d.natsTLSPort, "WS": d.wsPort, "MQTT": d.mqttPort,
		"Leaf": d.leafPort, "Certificate": d.tls.server, "Store": filepath.Join(home, "jetstream"),
		"Cookie": b.cookie, "Origins": d.origins()})
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("write the broker's configuration: %w", err)
	}
	return path, nil
}

// origins are those of the pages that may use the broker's WebSocket: the web UI's,
// Vite's while it is being developed, and others that were named.
func (d *devSettings) origins() []string {
	var all []string
	for _, port := range []string{d.httpPort, vitePort} {
		all = append(all, "http://127.0.0.1:"+port, "http://localhost:"+port)
	}
	for origin := range strings.SplitSeq(d.wsOrigins, ",") {
		if origin = strings.TrimSpace(origin); origin != "" {
			all = append(all, origin)
		}
	}
	return all
}

// vitePort is where "npm run dev" serves the web UI.
const vitePort = "5173"

// awaitReady returns when the broker has caught up with control.
func (b *brokerProcess) awaitReady(ctx context.Context) error {
	url := "http://127.0.0.1:" + b.settings.brokerPort + "/readyz"
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("ask whether the broker is ready: %w", err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode < 300 {
				return nil
			}
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil
		}
	}
}
