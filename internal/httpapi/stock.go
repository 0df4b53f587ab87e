package httpapi

import (
	"cmp"
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) getServerConfig(w http.ResponseWriter, r *http.Request) error {
	kind := tenants.ResolverType(cmp.Or(r.URL.Query().Get("type"), string(tenants.FullResolver)))
	config, err := s.Tenants.ServerConfig(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"), kind, s.baseURL(r))
	if err != nil {
		return err
	}
	return answerText(w, "text/plain; charset=utf-8", config)
}

// baseURL is where this control is reached: as configured, or else as the request did.
func (s *Server) baseURL(r *http.Request) string {
	if s.PublicURL != "" {
		return s.PublicURL
	}
	return "http://" + r.Host
}

// serveAccount is what nats-servers with a URL resolver ask: NATS' account
// server protocol, which has no credentials to check and no operation in the
// document. Its root, asked for when a server starts, answers nothing.
func (s *Server) serveAccount(w http.ResponseWriter, r *http.Request) error {
	token, err := s.Tenants.ServeAccount(r.Context(), pathID[tenants.OperatorID](r, "operator"), chi.URLParam(r, "token"), chi.URLParam(r, "account"))
	if err != nil {
		return err
	}
	return answerText(w, "application/jwt", token)
}

func answerText(w http.ResponseWriter, mediaType, text string) error {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, err := io.WriteString(w, text)
	return err
}
