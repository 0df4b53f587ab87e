package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sosodev/duration"

	"github.com/signalbox-io/signalbox/internal/tenants"
)

// settings are what the environment and the flags say; a flag wins. Secrets
// have no flag, since arguments can be read by everybody on the machine.
type settings struct {
	databaseURL     string
	listen          string
	metrics         string
	publicURL       string
	proxies         string
	tries           int
	undoWindow      string
	consoleCookie   string
	consoleDomain   string
	consoleLife     string
	masterKey       string
	masterKeyFile   string
	enrollmentToken string
	issuersAnywhere bool

	dev devSettings
}

// devSettings are those of the command dev alone.
type devSettings struct {
	data         string
	brokerBinary string
	httpPort     string
	natsPort     string
	natsTLSPort  string
	wsPort       string
	wssPort      string
	mqttPort     string
	leafPort     string
	leafTLSPort  string
	wsOrigins    string
	controlPort  string
	brokerPort   string

	tls devTLS // once it has been prepared
}

// newFlags makes the flags of a command, with the environment's values as their defaults.
func newFlags(command string, getenv func(string) string) (*flag.FlagSet, *settings) {
	s := &settings{
		databaseURL:     getenv("DATABASE_URL"),
		masterKey:       getenv("SIGNALBOX_MASTER_KEY"),
		enrollmentToken: getenv("SIGNALBOX_ENROLLMENT_TOKEN"),
	}
	f := flag.NewFlagSet("control "+command, flag.ContinueOnError)
	text := func(p *string, name, env, fallback, what string) {
		value := fallback
		if v := getenv(env); v != "" {
			value = v
		}
		f.StringVar(p, name, value, fmt.Sprintf("%s [%s]", what, env))
	}
	if command == "serve" || command == "dev" {
		f.IntVar(&s.tries, "tries-per-minute", number(getenv("SIGNALBOX_TRIES_PER_MINUTE"), 20),
			"sign-ups and log-ins a minute that one client address may try [SIGNALBOX_TRIES_PER_MINUTE]")
		text(&s.undoWindow, "undo-window", "SIGNALBOX_UNDO_WINDOW", "P7D", "for how long deleting an account can be undone, unless who deletes it says otherwise")
		text(&s.consoleCookie, "console-cookie", "SIGNALBOX_CONSOLE_COOKIE", "signalbox_console", "cookie that lets the web UI connect to brokers; what their jwt_cookie names")
		text(&s.consoleLife, "console-life", "SIGNALBOX_CONSOLE_LIFE", "PT5M", "for how long that cookie is good before the page has to renew it")
		f.BoolVar(&s.issuersAnywhere, "issuers-anywhere", getenv("SIGNALBOX_ISSUERS_ANYWHERE") == "true",
			"read the keys of tenants' OpenID Connect issuers over http and at private addresses, too: for development [SIGNALBOX_ISSUERS_ANYWHERE]")
	}
	switch command {
	case "serve":
		text(&s.listen, "listen", "SIGNALBOX_LISTEN", "127.0.0.1:8080", "address of the API and the web UI")
		text(&s.metrics, "metrics", "SIGNALBOX_METRICS", "", "address of Prometheus metrics at /metrics; empty: none")
		text(&s.publicURL, "public-url", "SIGNALBOX_PUBLIC_URL", "", "where people reach the web UI; https makes cookies Secure")
		text(&s.consoleDomain, "console-domain", "SIGNALBOX_CONSOLE_DOMAIN", "", "domain that the web UI and the brokers share, such as example.com, if they are not on one host")
		text(&s.proxies, "trusted-proxies", "SIGNALBOX_TRUSTED_PROXIES", "", "networks of your reverse proxies, 10.0.0.0/8,…, which are believed about client addresses")
		text(&s.masterKeyFile, "master-key-file", "SIGNALBOX_MASTER_KEY_FILE", "", "file that holds the master key, unless SIGNALBOX_MASTER_KEY does")
	case "dev":
		d := &s.dev
		text(&d.data, "data", "SIGNALBOX_DATA", ".data", "folder that keeps all state")
		text(&d.brokerBinary, "broker", "SIGNALBOX_BROKER_BINARY", "bin/broker", "the broker's program")
		text(&d.httpPort, "http-port", "SIGNALBOX_HTTP_PORT", "8080", "port of the API and the web UI")
		text(&d.natsPort, "nats-port", "SIGNALBOX_NATS_PORT", "4222", "port of the broker for NATS clients")
		text(&d.natsTLSPort, "nats-tls-port", "SIGNALBOX_NATS_TLS_PORT", "4223", "port of the broker for NATS clients with TLS")
		text(&d.wsPort, "ws-port", "SIGNALBOX_WS_PORT", "9222", "port of the broker for WebSocket")
		text(&d.wssPort, "wss-port", "SIGNALBOX_WSS_PORT", "9223", "port of the broker for WebSocket with TLS")
		text(&d.wsOrigins, "ws-origins", "SIGNALBOX_WS_ORIGINS", "", "origins of further web pages that may use the broker's WebSocket, http://localhost:3000,…")
		text(&d.mqttPort, "mqtt-port", "SIGNALBOX_MQTT_PORT", "1883", "port of the broker for MQTT")
		text(&d.leafPort, "leafnode-port", "SIGNALBOX_LEAFNODE_PORT", "7422", "port of the broker for leaf nodes")
		text(&d.leafTLSPort, "leafnode-tls-port", "SIGNALBOX_LEAFNODE_TLS_PORT", "7423", "port of the broker for leaf nodes with TLS")
		text(&d.controlPort, "control-metrics-port", "SIGNALBOX_CONTROL_METRICS_PORT", "9180", "port of control's metrics")
		text(&d.brokerPort, "broker-metrics-port", "SIGNALBOX_BROKER_METRICS_PORT", "9181", "port of the broker's metrics")
	}
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "Usage: control %s [flags]\n\n", command)
		f.PrintDefaults()
		fmt.Fprint(f.Output(), environmentOnly[command])
	}
	return f, s
}

// number reads a positive number, or answers the fallback for anything else.
func number(text string, fallback int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return fallback
}

// environmentOnly tells of the settings that are secrets.
var environmentOnly = map[string]string{
	"serve": `
From the environment only, since they are secrets:
  DATABASE_URL                 the Postgres to use, postgres://…
  SIGNALBOX_MASTER_KEY         the master key, as "control master-key" prints it
  SIGNALBOX_ENROLLMENT_TOKEN   a token of your choice, at least 20 characters, with which brokers may enrol
`,
	"migrate": "\nDATABASE_URL, from the environment, is the Postgres to migrate.\n",
	"staff":   "\nDATABASE_URL, from the environment, is the Postgres that holds the person.\n",
}

// trustedProxies reads the list of networks.
func (s *settings) trustedProxies() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for text := range strings.SplitSeq(s.proxies, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is not a network, such as 10.0.0.0/8", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// undo reads the undo window.
func (s *settings) undo() (time.Duration, error) {
	window, err := duration.Parse(s.undoWindow)
	if err != nil || window.Negative || window.ToTimeDuration() > tenants.MaxUndo {
		return 0, fmt.Errorf("--undo-window: %q is not an ISO 8601 duration of P90D at most, such as P7D", s.undoWindow)
	}
	return window.ToTimeDuration(), nil
}

// console reads how long a browser's cookie is good.
func (s *settings) console() (time.Duration, error) {
	life, err := duration.Parse(s.consoleLife)
	if err != nil || life.Negative || life.ToTimeDuration() < time.Second || life.ToTimeDuration() > tenants.MaxConsoleLife {
		return 0, fmt.Errorf("--console-life: %q is not an ISO 8601 duration from PT1S to PT1H, such as PT5M", s.consoleLife)
	}
	return life.ToTimeDuration(), nil
}

// master reads the master key from where the settings say it is.
func (s *settings) master() ([]byte, error) {
	if s.masterKey != "" {
		return []byte(s.masterKey), nil
	}
	if s.masterKeyFile == "" {
		return nil, fmt.Errorf(`set SIGNALBOX_MASTER_KEY or SIGNALBOX_MASTER_KEY_FILE; "control master-key" prints a new key`)
	}
	key, err := os.ReadFile(s.masterKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	return []byte(strings.TrimSpace(string(key))), nil
}
