package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// observed is what the log line of a request will say.
type observed struct {
	id        string
	actor     string
	operation string // empty for what is not of the API
}

type observedKey struct{}

// observe gives each request an id, logs it once when it is done, and turns a
// panic into a 500. Query strings and headers are not logged: they may hold secrets.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &observed{id: tenants.NewID[string]("req")}
		w.Header().Set("X-Request-Id", o.id)
		r = r.WithContext(context.WithValue(r.Context(), observedKey{}, o))
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				s.writeProblem(ww, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
			took := time.Since(start)
			s.requests.WithLabelValues(o.operation, strconv.Itoa(ww.Status())).Observe(took.Seconds())
			s.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", append(requestAttrs(r),
				slog.Int("status", ww.Status()), slog.Int("bytes", ww.BytesWritten()), slog.Duration("took", took))...)
		}()
		next.ServeHTTP(ww, r)
	})
}

// note puts what is being done, and by whom, on the request's log line.
func note(r *http.Request, operation string, c caller) {
	if o, ok := r.Context().Value(observedKey{}).(*observed); ok {
		o.operation, o.actor = operation, c.actor.ID
	}
}

// Metrics counts and times requests by operation and status.
func (s *Server) Metrics() prometheus.Collector { return s.requests }

func newRequestMetrics() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "signalbox_request_seconds",
		Help:    "How long requests took, by operation (empty: not of the API) and status.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"operation", "status"})
}

func requestID(r *http.Request) string {
	o, _ := r.Context().Value(observedKey{}).(*observed)
	if o == nil {
		return ""
	}
	return o.id
}

func requestAttrs(r *http.Request) []slog.Attr {
	attrs := []slog.Attr{slog.String("method", r.Method), slog.String("path", loggedPath(r))}
	if o, ok := r.Context().Value(observedKey{}).(*observed); ok {
		attrs = append(attrs, slog.String("request_id", o.id), slog.String("actor", o.actor))
	}
	return attrs
}

// loggedPath hides the account server's token, which is part of its address.
func loggedPath(r *http.Request) string {
	if token := chi.URLParam(r, "token"); token != "" {
		return strings.Replace(r.URL.Path, token, "…", 1)
	}
	return r.URL.Path
}

// refuseCrossOrigin keeps other sites from riding a session's cookie (CSRF).
func (s *Server) refuseCrossOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(s.plain(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.Forbidden, "this request comes from another site")
	}))
	return protection.Handler(next)
}

// limitTries bounds how often a minute one address may sign up, guess passwords
// or prove who it is, counted by the keys.
func (s *Server) limitTries(perMinute int, keys ...httprate.KeyFunc) func(http.Handler) http.Handler {
	return httprate.LimitBy(perMinute, time.Minute, httprate.JoinKeys(keys...),
		httprate.WithLimitHandler(s.plain(func(http.ResponseWriter, *http.Request) error {
			return fault.New(fault.Throttled, "at most %d tries a minute; wait a little", perMinute)
		})))
}
