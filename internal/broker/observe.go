package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

func listenMetrics(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, portError("metrics", address, err)
	}
	return listener, nil
}

// MetricsURL is where /healthz, /readyz and /metrics are; empty when nowhere.
func (b *Broker) MetricsURL() string {
	if b.metrics == nil {
		return ""
	}
	return "http://" + b.metrics.Addr().String()
}

func (b *Broker) serveMetrics(ctx context.Context) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := b.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		p, _ := b.follower.Progress()
		fmt.Fprintf(w, "ok\nstore: %s of %d accounts in %d bytes, healed %d times\nrevision: %d of %d\nconfirmed by control: %s\n",
			b.store.Mode(), b.store.Stored(), b.store.Size(), b.store.Healed(), p.Applied, p.Head, b.confirmation(p))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.registry(), promhttp.HandlerOpts{}))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: httpTimeout}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(b.metrics); !errors.Is(err, http.ErrServerClosed) {
		b.log.Error("metrics are not served any more", "error", err)
	}
}

// ready is nil when tenants can be served: clients can connect, and are let in.
func (b *Broker) ready() error {
	if !b.server.ReadyForConnections(time.Millisecond) {
		return errors.New("not accepting connections")
	}
	if err := b.closed(); err != nil {
		p, _ := b.follower.Progress()
		return fmt.Errorf("%w (at revision %d; last error: %s)", err, p.Applied, cmp.Or(p.LastError, "none"))
	}
	return nil
}

// confirmation is when control last confirmed that the broker is up to date.
func (b *Broker) confirmation(p resolver.Progress) string {
	switch at := b.confirmed(); {
	case !p.ConfirmedAt.IsZero():
		return p.ConfirmedAt.UTC().Format(time.RFC3339)
	case !at.IsZero():
		return at.UTC().Format(time.RFC3339) + ", before the start"
	}
	return "never"
}

func (b *Broker) registry() *prometheus.Registry {
	counts := b.resolver.Counts()
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "signalbox_broker", Name: name, Help: help}, value))
	}
	counter := func(name, help string, value func() int64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "signalbox_broker", Name: name, Help: help},
			func() float64 { return float64(value()) }))
	}
	gauge("applied_revision", "Revision up to which everything is stored and in force.", func() float64 {
		p, _ := b.follower.Progress()
		return float64(p.Applied)
	})
	gauge("head_revision", "Newest revision that control spoke of.", func() float64 {
		p, _ := b.follower.Progress()
		return float64(p.Head)
	})
	gauge("control_heard_timestamp_seconds", "When control last said something; 0 when it has not since the start.", func() float64 {
		p, _ := b.follower.Progress()
		if p.HeardAt.IsZero() {
			return 0
		}
		return float64(p.HeardAt.UnixMilli()) / 1000
	})
	gauge("stored_accounts", "Accounts in the store, deleted ones included.", func() float64 { return float64(b.store.Stored()) })
	gauge("store_bytes", "What the accounts in the store take on disk, without what is out of date.", func() float64 { return float64(b.store.Size()) })
	gauge("store_is_cache", "1 when the store holds only accounts that were asked for, 0 when it holds all.", func() float64 {
		if b.store.Mode() == "cache" {
			return 1
		}
		return 0
	})
	counter("store_healed_total", "Times that damage to the store was found and put right.", b.store.Healed)
	gauge("connections", "Client connections, over every protocol; the broker's own and control's included.", func() float64 { return float64(b.server.NumClients()) })
	gauge("leafnodes", "Leaf node connections.", func() float64 { return float64(b.server.NumLeafNodes()) })
	gauge("loaded_accounts", "Accounts that nats-server holds in memory.", func() float64 { return float64(b.server.NumLoadedAccounts()) })
	counter("resolver_hits_total", "Accounts answered from the store.", counts.Hits.Load)
	counter("resolver_lookups_total", "Accounts asked of control.", counts.Lookups.Load)
	counter("resolver_unknown_total", "Accounts refused because nobody knows them, or control could not be asked.", counts.Unknown.Load)
	counter("claims_applied_total", "Times that claims were brought into force on a loaded account.", counts.Applied.Load)
	counter("peer_claims_total", "Claims taken from peer brokers while control was away.", counts.Peers.Load)
	counter("revocation_pages_fetched_total", "Pages of accounts, such as those with many revocations or device logins, fetched from control or a peer broker.", counts.Pages.Load)
	counter("claims_refused_total", "Claims that were refused.", counts.Refusals.Load)
	gauge("gate_open", "1 when tenants' clients may log in, 0 while they may not because the broker is not up to date.", func() float64 {
		if b.closed() != nil {
			return 0
		}
		return 1
	})
	for _, c := range b.certificates {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "signalbox_broker", Name: "certificate_expires_timestamp_seconds", Help: "When the certificate of a listener expires.",
			ConstLabels: prometheus.Labels{"listener": c.listener},
		}, func() float64 { return float64(c.expires().Unix()) }))
	}
	counter("logins_admitted_total", "Logins that were let in, over every protocol.", b.admission.Admitted)
	for _, reason := range admission.Reasons {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "signalbox_broker", Name: "logins_refused_total", Help: "Logins that were refused, by reason.",
			ConstLabels: prometheus.Labels{"reason": string(reason)},
		}, func() float64 { return float64(b.admission.Refused(reason)) }))
	}
	counter("connections_ended_total", "Connections ended because a change of their account refuses them.", b.admission.Ended)
	return r
}
