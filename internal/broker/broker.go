// Package broker is one node of the messaging cloud: an embedded nats-server
// that takes its accounts from Signalbox's control.
//
// It owns the broker's data directory: identity.json, made when the broker
// enrols, and accounts and revocations, folders of what control has delivered. That is all it needs
// to start, so a broker comes back without control; only the very first start
// needs it. Clusters, listeners, TLS, JetStream and limits are nats-server's own,
// from its own configuration file; this package sets what makes the server a
// member (operator, system account, resolver, admission) and refuses a file that does.
//
// It logs through slog, nats-server's lines included, and no JWT, token or seed
// gets into a line. Delivery is package resolver's business, deciding what to
// deliver control's. [Run] is called by cmd/broker, [Start] also by tests.
package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/lease"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// Config says how to run a broker. The zero value of each field works, except
// that ControlURL and EnrollmentToken are needed once, to enrol.
type Config struct {
	ControlURL      string              // http(s)://…, control's API; without it an enrolled broker starts but does not announce itself
	EnrollmentToken string              // sbe_…; not looked at once enrolled
	DataDir         string              // "" is ./signalbox-broker
	NATSConfigFile  string              // "" is nats on 4222 with JetStream under DataDir
	Name            string              // the server's name unless the file has one; "" is the host's name
	ControlAddress  string              // the NATS URL at which control reaches this broker; "" is the one clients use
	Announce        string              // PROTOCOL=URL,…: where tenants reach this broker beside its own listeners; PROTOCOL= withholds those
	CAFile          string              // PEM of the authorities that clients must trust to connect; "" is none that they do not know
	Store           string              // mirror, which holds every account, or cache, which holds those that are used; "" is mirror
	CacheSize       string              // how much a cache holds, of accounts (100000) or bytes (512MB); "" is 100000
	WhenAlone       admission.WhenAlone // what to do without control, after a start or a silence; "" is ServeLastKnown
	MaxAge          time.Duration       // how old what is stored may be to be served without control; 0 is 24 hours
	AloneAfter      time.Duration       // how long to wait for control after a start; 0 is 5 seconds
	MetricsAddress  string              // host:port of /healthz, /readyz and /metrics; "" is none
	Logger          *slog.Logger

	// LameDuck, once closed, has Run hand the clients over to other brokers, slowly, and
	// then return. Nil: Run serves until its ctx ends, and then ends all connections at once.
	LameDuck <-chan struct{}

	// Adjust is called with the nats-server options when they are complete, for
	// tests that need free ports and routes. Nil does nothing.
	Adjust func(*server.Options)

	announce announced // Announce, read
	ca       string    // CAFile's certificates
}

// Broker is a running broker.
type Broker struct {
	cfg       Config
	log       *slog.Logger
	identity  identity // as it was at the start
	kept      identity // as it is on disk; known to announce's goroutine only
	options   *server.Options
	server    *server.Server
	store     *resolver.Store
	resolver  *resolver.Resolver
	follower  *resolver.Follower
	admission *admission.Admission
	gate      *admission.Gate
	shares    *lease.Holder
	unseated  atomic.Pointer[string] // why control does not know the broker any more; nil: it does
	gone      chan error             // holds the same as an error
	started   time.Time
	asked     atomic.Bool // control has been asked since the start whether it knows the broker, or cannot be
	logger    *natsLogger

	certificates []*certificate
	metrics      net.Listener
	lameDuck     lameDuck

	cancel context.CancelFunc
	tasks  sync.WaitGroup
	stop   sync.Once
}

const (
	startTimeout = 30 * time.Second
	storeFolder  = "accounts"
	cacheSize    = "100000"
)

// Run starts a broker and serves until ctx ends or a lame-duck mode does, or until the
// server stops by itself or control says that the broker has been removed, which are errors.
func Run(ctx context.Context, cfg Config) error {
	b, err := Start(ctx, cfg)
	if err != nil && ctx.Err() != nil {
		return nil // told to stop while it waited for control
	}
	if err != nil {
		return err
	}
	defer b.Stop()
	stopped, left := b.stopped(), make(chan struct{})
	for lameDuck := cfg.LameDuck; ; {
		select {
		case <-lameDuck:
			lameDuck = nil
			go func() {
				defer close(left)
				b.handOver(ctx)
			}()
		case <-left:
			return nil
		case <-ctx.Done():
			b.log.Info("stopping")
			return nil
		case err := <-b.gone:
			return err
		case <-stopped:
			return errors.Join(errors.New("the server stopped by itself"), b.logger.fatal())
		}
	}
}

// Start enrols if the broker has no identity yet, which waits for control as
// long as ctx lives, and starts it. It returns once clients can connect, who are let in when
// the broker is up to date: see [admission.Gate].
func Start(ctx context.Context, cfg Config) (*Broker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Broker{cfg: cfg, log: cfg.Logger, gone: make(chan error, 1), started: time.Now()}
	if err := b.start(ctx); err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

func (c Config) withDefaults() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.DataDir == "" {
		c.DataDir = "signalbox-broker"
	}
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("find a name for the broker: %w", err)
		}
		c.Name = host
	}
	c.Store, c.CacheSize = cmp.Or(c.Store, "mirror"), cmp.Or(c.CacheSize, cacheSize)
	if c.Store != "mirror" && c.Store != "cache" {
		return c, fmt.Errorf("the store is mirror or cache, not %q", c.Store)
	}
	if _, err := resolver.ParseCacheLimit(c.CacheSize); err != nil {
		return c, err
	}
	c.WhenAlone, c.MaxAge, c.AloneAfter = cmp.Or(c.WhenAlone, admission.ServeLastKnown), cmp.Or(c.MaxAge, maxAge), cmp.Or(c.AloneAfter, aloneAfter)
	if c.WhenAlone != admission.ServeLastKnown && c.WhenAlone != admission.Refuse {
		return c, fmt.Errorf("without control a broker can %s or %s, not %q", admission.ServeLastKnown, admission.Refuse, c.WhenAlone)
	}
	if c.MaxAge < 0 || c.AloneAfter < 0 {
		return c, errors.New("how old and how long cannot be negative")
	}
	var err error
	if c.announce, err = parseAnnounced(c.Announce); err != nil {
		return c, err
	}
	if c.ca, err = readCA(c.CAFile); err != nil {
		return c, err
	}
	c.ControlURL = strings.TrimSuffix(c.ControlURL, "/")
	if c.ControlURL != "" && !strings.HasPrefix(c.ControlURL, "http://") && !strings.HasPrefix(c.ControlURL, "https://") {
		return c, fmt.Errorf("control's URL begins with http:// or https://, not %q", c.ControlURL)
	}
	return c, nil
}

func (b *Broker) start(ctx context.Context) error {
	var err error
	if b.options, err = natsOptions(b.cfg); err != nil {
		return err
	}
	b.lameDuck = takeLameDuck(b.options)
	b.certificates = followCertificates(b.options, b.log)
	if err := checkPorts(b.options); err != nil {
		return err
	}
	if b.identity, err = b.identify(ctx); err != nil {
		return err
	}
	if why := b.identity.Unseated; why != "" {
		b.unseated.Store(&why)
		b.log.Error("clients are refused until control knows this broker again", "reason", why)
	}
	trust, err := resolver.NewTrust(b.identity.OperatorJWT)
	if err != nil {
		return err
	}
	if b.store, err = b.openStore(trust.Operator()); err != nil {
		return err
	}
	b.resolver, err = resolver.NewResolver(b.store, trust, b.identity.SystemAccount, b.identity.SystemAccountJWT, b.log)
	if err != nil {
		return err
	}
	publicKey, err := b.identity.publicKey()
	if err != nil {
		return err
	}
	b.follower = resolver.NewFollower(b.resolver, publicKey, b.log)
	if err := b.useAdmission(trust); err != nil {
		return err
	}
	if err := b.bringClusterFolder(); err != nil {
		return err
	}
	joinOperator(b.options, b.identity.SystemAccount, b.resolver)
	if err := b.startServer(); err != nil {
		return err
	}
	return b.startTasks()
}

func (b *Broker) openStore(operator string) (*resolver.Store, error) {
	path := filepath.Join(b.cfg.DataDir, storeFolder)
	if b.cfg.Store == "mirror" {
		return resolver.OpenStore(path, operator, b.log)
	}
	limit, err := resolver.ParseCacheLimit(b.cfg.CacheSize)
	if err != nil {
		return nil, err
	}
	return resolver.OpenCache(path, operator, limit, b.log)
}

func (b *Broker) startServer() error {
	s, err := server.NewServer(b.options)
	if err != nil {
		return fmt.Errorf("set up nats-server: %w", err)
	}
	b.server = s
	b.logger = newNATSLogger(b.log)
	s.SetLoggerV2(b.logger, b.options.Debug, b.options.Trace, b.options.TraceVerbose)
	s.Start()
	if err := b.logger.fatal(); err != nil {
		return fmt.Errorf("start nats-server: %w", err)
	}
	if !s.ReadyForConnections(startTimeout) {
		return errors.Join(fmt.Errorf("start nats-server: it was not ready for clients after %s", startTimeout), b.logger.fatal())
	}
	return nil
}

// startTasks follows control, announces the broker, and serves what watches it.
func (b *Broker) startTasks() error {
	login, err := b.identity.login()
	if err != nil {
		return err
	}
	if b.cfg.MetricsAddress != "" {
		if b.metrics, err = listenMetrics(b.cfg.MetricsAddress); err != nil {
			return err
		}
	}
	b.useDisk()
	// The tasks end with Stop, not with the caller's ctx: the server goes first.
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.tasks.Go(func() {
		if err := b.follower.Run(ctx, b.server, login); err != nil {
			b.log.Error("cannot follow control", "error", err)
		}
	})
	b.kept = b.identity
	b.tasks.Go(func() { b.announce(ctx) })
	b.tasks.Go(func() { b.beat(ctx) })
	if b.metrics != nil {
		b.tasks.Go(func() { b.serveMetrics(ctx) })
	}
	b.log.Info("broker is ready", "name", b.server.Name(), "broker", b.identity.BrokerID, "operator", b.identity.OperatorID,
		"clients", b.ClientURL(), "store", b.store.Mode(), "applied", b.store.Applied(), "accounts", b.store.Stored())
	return nil
}

// Stop closes all connections and returns when nothing of the broker runs any
// more. Calling it again does nothing.
func (b *Broker) Stop() {
	b.stop.Do(func() {
		if b.cancel != nil {
			b.cancel()
		}
		b.tasks.Wait()
		if b.server != nil {
			b.server.Shutdown()
			b.server.WaitForShutdown()
		}
		if b.store != nil {
			if err := b.store.Close(); err != nil {
				b.log.Error("cannot close the account store", "error", err)
			}
		}
	})
}

func (b *Broker) stopped() <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		b.server.WaitForShutdown()
		close(stopped)
	}()
	return stopped
}

// Server is the embedded server, for what this package does not wrap.
func (b *Broker) Server() *server.Server { return b.server }

// PublicKey is that of the broker's system-account user: how receipts name it.
func (b *Broker) PublicKey() string {
	key, _ := b.identity.publicKey() // worked at the start
	return key
}

// Progress is how far the broker has come, and a channel that closes when that changes.
func (b *Broker) Progress() (resolver.Progress, <-chan struct{}) { return b.follower.Progress() }

// WaitApplied waits until the revision is stored and in force here.
func (b *Broker) WaitApplied(ctx context.Context, revision resolver.Revision) error {
	for {
		p, changed := b.Progress()
		if p.Applied >= revision {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for revision %d, at %d: %w", revision, p.Applied, ctx.Err())
		case <-changed:
		}
	}
}
