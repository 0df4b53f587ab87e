package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/auth"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/httpapi"
	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/oidc"
	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/tenants"
	"github.com/signalbox-io/signalbox/web"
)

// stopWithin bounds how long requests under way may take to end, once told to stop.
const stopWithin = 5 * time.Second

const (
	sweepEvery = time.Hour
	warnEvery  = 10 * time.Second
	purgeEvery = time.Second
	keysEvery  = time.Second // to look whose are due, which is an index's work
	// consoleEvery bounds how long somebody who is not a member any more stays connected.
	consoleEvery = 250 * time.Millisecond
)

func serve(ctx context.Context, s *settings, _ []string, _ io.Writer) error {
	r, err := newReplica(ctx, s, slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	return r.run(ctx)
}

// replica is one control process: the API and its part in the delivery.
type replica struct {
	pool     *pgxpool.Pool
	domain   *tenants.Service
	delivery *delivery
	api      *httpapi.Server
	listener net.Listener // of the API
	metrics  net.Listener // nil: none
	log      *slog.Logger
}

// newReplica opens all that a replica needs: database, keys and ports. Whatever is wrong with them is said here.
func newReplica(ctx context.Context, s *settings, log *slog.Logger) (_ *replica, err error) {
	if s.databaseURL == "" {
		return nil, errNoDatabase
	}
	master, err := s.master()
	if err != nil {
		return nil, err
	}
	keys, err := keyring.Open(master)
	if err != nil {
		return nil, err
	}
	undo, err := s.undo()
	if err != nil {
		return nil, err
	}
	consoleLife, err := s.console()
	if err != nil {
		return nil, err
	}
	proxies, err := s.trustedProxies()
	if err != nil {
		return nil, err
	}
	r := &replica{log: log}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.listener, err = listen(s.listen, "the API"); err != nil {
		return nil, err
	}
	if s.metrics != "" {
		if r.metrics, err = listen(s.metrics, "metrics"); err != nil {
			return nil, err
		}
	}
	if r.pool, err = openDatabase(ctx, s.databaseURL); err != nil {
		return nil, err
	}
	r.domain = tenants.New(r.pool, keys)
	r.domain.UndoWindow, r.domain.ConsoleLife = undo, consoleLife
	r.domain.IssuerKeys = (&oidc.Fetcher{Anywhere: s.issuersAnywhere}).Keys
	if err := bootstrap(ctx, r.domain, s.enrollmentToken); err != nil {
		return nil, err
	}
	r.delivery = newDelivery(r.pool, r.domain, log)
	r.api, err = httpapi.New(httpapi.Config{
		Tenants:        r.domain,
		Auth:           auth.New(r.pool, r.domain),
		Connections:    r.delivery.connections,
		Usage:          r.delivery.usage,
		Streams:        r.delivery.streams,
		Await:          r.delivery.await,
		Links:          r.delivery.links,
		CheckDrift:     r.delivery.checkDrift,
		Simulate:       simulate,
		Foresee:        r.delivery.foresee,
		BrokersMoved:   r.delivery.hub.Refresh,
		Ready:          r.ready,
		Web:            web.Handler(),
		PublicURL:      s.publicURL,
		SecureCookies:  strings.HasPrefix(s.publicURL, "https://"),
		ConsoleCookie:  s.consoleCookie,
		ConsoleDomain:  s.consoleDomain,
		TrustedProxies: proxies,
		TriesPerMinute: s.tries,
		Log:            log,
	})
	return r, err
}

func openDatabase(ctx context.Context, url string) (*pgxpool.Pool, error) {
	if err := postgres.Migrate(ctx, url); err != nil {
		return nil, err
	}
	return postgres.Open(ctx, url)
}

// bootstrap makes what every installation has. Making a system user proves
// that the master key opens this database's seeds, before anybody relies on it.
func bootstrap(ctx context.Context, domain *tenants.Service, enrollmentToken string) error {
	operator, err := domain.Bootstrap(ctx)
	if err != nil {
		return fmt.Errorf("make the default operator: %w", err)
	}
	if err := domain.CheckKeys(ctx, operator.ID); err != nil {
		return fmt.Errorf("the master key does not open this database's seeds; it is not the key they were sealed with: %w", err)
	}
	// Without a token, the one of an earlier start ends.
	if err := domain.EnsureEnrollment(ctx, enrollmentToken); err != nil {
		return fmt.Errorf("SIGNALBOX_ENROLLMENT_TOKEN: %w", err)
	}
	return nil
}

// run serves until ctx ends, then lets requests under way finish.
func (r *replica) run(ctx context.Context) error {
	defer r.close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.delivery.run(ctx) })
	g.Go(func() error { return serveHTTP(ctx, r.listener, r.api) })
	g.Go(func() error { return r.domain.RunOperations(ctx, r.log) })
	g.Go(func() error { return r.repeat(ctx, sweepEvery, "sweep", r.domain.Sweep) })
	g.Go(func() error {
		return r.repeat(ctx, warnEvery, "warn of credentials that expire", r.domain.WarnOfExpiry)
	})
	g.Go(func() error { return r.repeat(ctx, purgeEvery, "purge deleted accounts", r.domain.PurgeDue) })
	for range tenants.KeyReaders {
		g.Go(func() error { return r.repeat(ctx, keysEvery, "read the keys of issuers", r.domain.ReadDueKeys) })
	}
	g.Go(func() error {
		return r.repeat(ctx, consoleEvery, "end consoles of who is gone", r.domain.EndStaleConsoles)
	})
	if r.metrics != nil {
		g.Go(func() error { return serveHTTP(ctx, r.metrics, r.metricsHandler()) })
	}
	r.log.Info("serving", "address", r.listener.Addr().String(), "version", version())
	return g.Wait()
}

// repeat does something now and then, until ctx ends.
func (r *replica) repeat(ctx context.Context, every time.Duration, what string, do func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := do(ctx); err != nil && ctx.Err() == nil {
				r.log.Warn("cannot "+what+"; trying again later", "error", err)
			}
		}
	}
}

func (r *replica) close() {
	for _, l := range []net.Listener{r.listener, r.metrics} {
		if l != nil {
			l.Close()
		}
	}
	if r.pool != nil {
		r.pool.Close()
	}
}

// ready says whether this replica can answer: its database has to.
func (r *replica) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := r.pool.Ping(ctx); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Message: "the database does not answer", Cause: err}
	}
	return nil
}

func (r *replica) metricsHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(r.api.Metrics(), r.delivery)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// listen opens a TCP port; a taken one is named together with what wanted it.
func listen(address, what string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s for %s: %w", address, what, errors.Unwrap(err))
	}
	return l, nil
}

func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close()
	}
	<-ended
	return nil
}
