// Package httpapi is the transport: it mounts every operation of
// api/openapi.yaml, checks requests against the document before any of our
// code sees them, and turns domain values into the document's structs and
// faults into problem+json (RFC 9457).
//
// It promises that an operation without a handler, a handler without an
// operation, and an operation that does not say in x-access who may call it,
// all fail at start; that the caller is known before a handler runs; and that
// no answer tells more than its problem's fixed words.
//
// There are no rules here: those are in tenants and auth. routes.go is the
// table of contents.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/auth"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Config is what the API stands on.
type Config struct {
	Tenants *tenants.Service
	Auth    *auth.Service

	// Usage asks an operator's brokers what an account uses.
	Usage func(ctx context.Context, account tenants.Account) (Usage, error)
	// Connections asks an operator's brokers who is connected to an account.
	Connections func(ctx context.Context, account tenants.Account) (Connections, error)
	// Streams asks an operator's brokers what is stored in an account.
	Streams func(ctx context.Context, account tenants.Account) (Streams, error)
	// Await waits until every broker has confirmed a change that was just
	// committed, or ctx ends, and tells what is known by then.
	Await func(ctx context.Context, change tenants.Change) Proof
	// Links are this replica's connections to the operator's brokers, by their
	// cluster; by the broker's id when it stands alone, and by an attached
	// server's.
	Links func(operator tenants.OperatorID) map[string]Link
	// CheckDrift asks the operator's brokers what they hold, for staff, and
	// sends again what differs if it is to.
	CheckDrift func(ctx context.Context, actor tenants.Actor, operator tenants.OperatorID, repair bool) (DriftCheck, error)
	// Foresee asks the account's brokers what those claims, as JSON, would do to its
	// connections, with the trust page of the rehearsal.
	Foresee func(ctx context.Context, account tenants.RehearsedAccount, claims []byte) (Outlook, error)
	// Simulate says what a broker would answer to who is described by the facts.
	Simulate func(facts tenants.LoginFacts, q api.SimulationRequest) (api.Simulation, error)
	// BrokersMoved is called after a broker has enrolled, was removed or said where it is now,
	// and after a server was attached, moved or detached.
	BrokersMoved func()
	// Ready says why the process cannot serve, or nil.
	Ready func(ctx context.Context) error
	// Web serves everything that is not the API.
	Web http.Handler

	// PublicURL is where people and servers reach control; empty: as each request did, over HTTP.
	PublicURL string
	// SecureCookies marks the session cookie Secure: set when people come over HTTPS.
	SecureCookies bool
	// ConsoleCookie is what the brokers' jwt_cookie names; empty is "signalbox_console".
	ConsoleCookie string
	// ConsoleDomain is the domain that control and the brokers share, if they are
	// not on one host: the cookie goes to all hosts in it.
	ConsoleDomain string
	// TrustedProxies are the networks of our own reverse proxies: only they are
	// believed about where a request comes from.
	TrustedProxies []netip.Prefix
	// TriesPerMinute bounds signing up and logging in per client address; zero is 20.
	TriesPerMinute int

	Log *slog.Logger
}

// maxBody bounds a request's body, in bytes, unless the document says otherwise.
// The largest sensible one is a role with 800 subjects of 1,024 bytes.
const maxBody = 1 << 20

// Server answers the API. Make it with New.
type Server struct {
	Config
	doc      *openapi3.T
	router   chi.Router
	requests *prometheus.HistogramVec
}

// New mounts the document's operations. It fails when document and handlers do not match.
func New(cfg Config) (*Server, error) {
	doc, err := api.Document()
	if err != nil {
		return nil, err
	}
	if cfg.TriesPerMinute == 0 {
		cfg.TriesPerMinute = 20
	}
	if cfg.ConsoleCookie == "" {
		cfg.ConsoleCookie = "signalbox_console"
	}
	s := &Server{Config: cfg, doc: doc, router: chi.NewRouter(), requests: newRequestMetrics()}
	s.router.Use(s.observe, s.refuseCrossOrigin)
	if err := s.mount(); err != nil {
		return nil, err
	}
	s.router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s.router.Get("/readyz", s.plain(s.readyz))
	s.router.Get("/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		w.Write(api.YAML)
	})
	noSuchPath := s.plain(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.NotFound, "there is no such path in the API; /openapi.yaml lists them")
	})
	s.router.Handle("/v1", noSuchPath)
	s.router.Handle("/v1/*", noSuchPath)
	s.router.Get("/jwt/v1/{operator}/{token}/accounts/", s.plain(s.serveAccount))
	s.router.Get("/jwt/v1/{operator}/{token}/accounts/{account}", s.plain(s.serveAccount))
	s.router.Handle("/jwt/*", noSuchPath)
	s.router.MethodNotAllowed(noSuchPath)
	s.router.NotFound(cfg.Web.ServeHTTP)
	return s, nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.router.ServeHTTP(w, r) }

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if err := s.Ready(r.Context()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
