// Command broker runs one broker node of Signalbox: a nats-server that takes its
// accounts from control. It reads flags and environment, and leaves the rest to
// package broker.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker"
)

// ballast is 16 MiB of heap that nothing is written to, so that they cost address
// space and no memory. A small broker's own heap is some ten, and Go collects garbage
// whenever the heap has doubled: while messages pass, many times a second. With these
// it waits for 32 MiB, and passes 5 to 10 % more messages (make bench).
var ballast = make([]byte, 16<<20)

func main() {
	defer runtime.KeepAlive(ballast)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, lameDuck(), os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
}

// run is main without the process: it serves until ctx ends, or until the clients
// have gone elsewhere once leave is closed. Help, the version and the log go to stdout.
func run(ctx context.Context, leave <-chan struct{}, args []string, getenv func(string) string, stdout io.Writer) error {
	cfg := config{}
	set := cfg.flags(getenv)
	set.SetOutput(stdout)
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errors.New("the flags are not right, see above")
	case set.NArg() > 0:
		return fmt.Errorf("%q is not a flag; see --help", set.Arg(0))
	case cfg.version:
		fmt.Fprintln(stdout, version())
		return nil
	}
	if cfg.Logger, err = cfg.logger(stdout); err != nil {
		return err
	}
	if err := cfg.alone(); err != nil {
		return err
	}
	cfg.LameDuck = leave
	return broker.Run(ctx, cfg.Config)
}

// config is what flags and environment say.
type config struct {
	broker.Config
	whenAlone  string
	maxAge     string
	aloneAfter string
	logLevel   string
	logFormat  string
	version    bool
}

// environment names the variable that stands in for a flag which is not given.
var environment = map[string]string{
	"control":         "SIGNALBOX_CONTROL",
	"token":           "SIGNALBOX_TOKEN",
	"config":          "SIGNALBOX_NATS_CONFIG",
	"data":            "SIGNALBOX_DATA",
	"name":            "SIGNALBOX_NAME",
	"control-address": "SIGNALBOX_CONTROL_ADDRESS",
	"announce":        "SIGNALBOX_ANNOUNCE",
	"ca":              "SIGNALBOX_CA",
	"store":           "SIGNALBOX_STORE",
	"cache-size":      "SIGNALBOX_CACHE_SIZE",
	"when-alone":      "SIGNALBOX_WHEN_ALONE",
	"max-age":         "SIGNALBOX_MAX_AGE",
	"alone-after":     "SIGNALBOX_ALONE_AFTER",
	"metrics":         "SIGNALBOX_METRICS",
	"log-level":       "SIGNALBOX_LOG_LEVEL",
	"log-format":      "SIGNALBOX_LOG_FORMAT",
}

// flags is the set of flags, filled from the environment.
func (c *config) flags(getenv func(string) string) *flag.FlagSet {
	set := flag.NewFlagSet("broker", flag.ContinueOnError)
	text := func(target *string, name, fallback, usage string) {
		value := getenv(environment[name])
		if value == "" {
			value = fallback
		}
		set.StringVar(target, name, value, usage)
	}
	text(&c.ControlURL, "control", "", "`URL` of control's API, http://… or https://…")
	text(&c.EnrollmentToken, "token", "", "enrolment `TOKEN` (sbe_…), needed until the broker has enrolled")
	text(&c.NATSConfigFile, "config", "", "nats-server configuration `FILE`, passed through whole")
	set.StringVar(&c.NATSConfigFile, "c", c.NATSConfigFile, "the same as --config `FILE`")
	text(&c.DataDir, "data", "signalbox-broker", "`DIR` of the broker's identity, its store of accounts and, unless the file says otherwise, JetStream")
	text(&c.Name, "name", "", "the server's `NAME`, unless the file has one (default: the host's name)")
	text(&c.ControlAddress, "control-address", "", "nats:// `URL` at which control reaches this broker (default: the one clients use)")
	text(&c.Announce, "announce", "", "`PROTOCOL=URL`,… at which tenants reach this broker beside its own listeners, such as websocket=wss://… of a proxy; PROTOCOL= withholds its own (nats, websocket, mqtt, leafnode)")
	text(&c.CAFile, "ca", "", "`FILE` of the certificate authorities, as PEM, that clients must trust to connect; the API hands it out (default: none but those that everybody knows)")
	text(&c.Store, "store", "mirror", "`MODE` of the store of accounts: mirror holds every account and serves all of them without control; cache holds those that are used")
	text(&c.CacheSize, "cache-size", "100000", "`SIZE` of a cache: a number of accounts, or of bytes like 512MB; what was used least recently leaves")
	text(&c.whenAlone, "when-alone", string(admission.ServeLastKnown), "`POLICY` for logins while control cannot be reached: serve-last-known judges them by what is stored, refuse lets nobody in")
	text(&c.maxAge, "max-age", "24h", "`TIME` for which serve-last-known trusts what control has last confirmed")
	text(&c.aloneAfter, "alone-after", "5s", "`TIME` to wait for control after a start")
	text(&c.MetricsAddress, "metrics", "", "`ADDRESS`, host:port, of /healthz, /readyz and /metrics (default: none)")
	text(&c.logLevel, "log-level", "info", "`LEVEL` of the log: debug, info, warn or error")
	text(&c.logFormat, "log-format", "text", "`FORMAT` of the log: text or json")
	set.BoolVar(&c.version, "version", false, "print the version and stop")
	set.Usage = func() { usage(set) }
	return set
}

func usage(set *flag.FlagSet) {
	out := set.Output()
	fmt.Fprint(out, `broker runs one broker node of Signalbox: a nats-server that takes its accounts
from control.

	broker --control URL --token TOKEN [-c nats.conf] [--data DIR]

The first start needs control and an enrolment token; the broker keeps what it
gets in its data directory and from then on starts without either. Listeners,
TLS, clusters, leaf nodes, WebSocket, MQTT and JetStream are configured in
nats-server's own file. It must not say who may log in: no operator, resolver,
accounts or authorization. Without a file the broker listens for NATS clients on
port 4222, with JetStream on.

SIGINT and SIGTERM stop the broker at once. SIGUSR2 is nats-server's lame-duck
mode: nobody is let in any more, clients are told of the other brokers and closed
one after the other within lame_duck_duration, and then the broker stops.

Flags, and the variable that is read when one is not given:

`)
	set.VisitAll(func(f *flag.Flag) {
		name, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(out, "  --%s %s\n", f.Name, name)
		fmt.Fprintf(out, "        %s\n", usage)
		if variable := environment[f.Name]; variable != "" {
			fmt.Fprintf(out, "        %s\n", variable)
		}
	})
}

// alone reads what to do without control.
func (c *config) alone() error {
	c.WhenAlone = admission.WhenAlone(c.whenAlone)
	for name, at := range map[string]struct {
		text   string
		target *time.Duration
	}{"max-age": {c.maxAge, &c.MaxAge}, "alone-after": {c.aloneAfter, &c.AloneAfter}} {
		d, err := time.ParseDuration(at.text)
		if err != nil || d <= 0 {
			return fmt.Errorf("--%s %q: it is a time like 30s, 5m or 24h", name, at.text)
		}
		*at.target = d
	}
	return nil
}

func (c config) logger(out io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: it is debug, info, warn or error", c.logLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(out, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return nil, fmt.Errorf("--log-format %q: it is text or json", c.logFormat)
}

func version() string {
	own := "development"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		own = info.Main.Version
	}
	return fmt.Sprintf("signalbox broker %s, nats-server %s", own, server.VERSION)
}
