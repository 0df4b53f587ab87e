package httpapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// problems says how each kind of failure leaves the house.
var problems = map[fault.Kind]struct {
	status int
	name   string
	title  string
}{
	fault.Invalid:         {http.StatusBadRequest, "invalid", "Some of the input is wrong"},
	fault.Unauthenticated: {http.StatusUnauthorized, "unauthenticated", "Not logged in"},
	fault.Forbidden:       {http.StatusForbidden, "forbidden", "Not allowed"},
	fault.NotFound:        {http.StatusNotFound, "not-found", "Not found"},
	fault.Conflict:        {http.StatusConflict, "conflict", "It clashes with something that exists"},
	fault.Stale:           {http.StatusPreconditionFailed, "stale", "It has changed since you read it"},
	fault.OverLimit:       {http.StatusUnprocessableEntity, "over-limit", "The plan does not allow more"},
	fault.Throttled:       {http.StatusTooManyRequests, "throttled", "Too many tries"},
	fault.Unavailable:     {http.StatusServiceUnavailable, "unavailable", "Temporarily unavailable"},
}

// plain runs a handler and writes what went wrong as problem+json.
func (s *Server) plain(handle handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			s.writeProblem(w, r, err)
		}
	}
}

// problem is the one place where errors become what the caller is told. What is
// not a fault is ours: fixed words outside, the whole chain in the log.
func (s *Server) problem(r *http.Request, err error) api.Problem {
	p := api.Problem{RequestId: requestID(r), Type: "/problems/internal", Title: "Something went wrong on our side",
		Status: http.StatusInternalServerError, Detail: "Try again; if it stays, tell us the request id."}
	faults := fault.All(err)
	if len(faults) > 0 {
		p = problemOf(faults, p.RequestId)
	}
	if p.Status >= http.StatusInternalServerError && !errors.Is(err, r.Context().Err()) {
		s.Log.LogAttrs(r.Context(), slog.LevelError, "request failed", append(requestAttrs(r), slog.Any("error", err))...)
	}
	return p
}

func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r, err)
	body, _ := json.Marshal(p) // a Problem is strings and an int
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(p.Status)
	w.Write(body)
}

// problemOf folds the faults of one request into one problem. The gravest
// answer is the one about who is calling and what exists, whatever else is wrong.
func problemOf(faults []*fault.Error, id string) api.Problem {
	first := faults[0]
	for _, f := range faults {
		if f.Kind != fault.Invalid {
			first = f
			break
		}
	}
	as := problems[first.Kind]
	p := api.Problem{RequestId: id, Type: "/problems/" + as.name, Title: as.title, Status: as.status, Detail: first.Message}
	if first.Kind == fault.NotFound {
		return p
	}
	var fields []api.FieldError
	for _, f := range faults {
		if f.Pointer != "" {
			fields = append(fields, api.FieldError{Pointer: f.Pointer, Detail: f.Message})
		}
	}
	if len(fields) > 0 {
		p.Errors = &fields
		p.Detail = fields[0].Pointer + " " + fields[0].Detail
	}
	return p
}
