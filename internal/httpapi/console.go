package httpapi

import (
	"net/http"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// consoleWait is how long an answer waits for brokers to hear of what it takes to
// let the browser in.
const consoleWait = 2 * time.Second

func (s *Server) startConsoleSession(w http.ResponseWriter, r *http.Request) error {
	who := callOf(r).caller
	console, err := s.Auth.StartConsole(r.Context(), who.actor, who.session, pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	endpoints, err := s.Tenants.Endpoints(r.Context(), who.actor, console.Account.ID)
	if err != nil {
		return err
	}
	if console.Change != nil {
		s.prove(r.Context(), *console.Change, consoleWait)
	}
	scheme := "ws"
	if s.SecureCookies {
		scheme = "wss" // to a browser, http and https are two sites
	}
	s.setConsole(w, console.JWT, time.Until(console.ExpiresAt))
	return answer(w, http.StatusCreated, api.ConsoleSession{
		AccountId:        string(console.Account.ID),
		AccountPublicKey: string(console.Account.PublicKey),
		User:             console.User,
		MayPublish:       console.Role == tenants.ConsoleFull,
		ExpiresAt:        console.ExpiresAt.UTC(),
		SessionEndsAt:    console.Ends.UTC(),
		Websocket:        tenants.Only(endpoints.WebSocket, scheme),
	})
}

func (s *Server) endConsoleSession(w http.ResponseWriter, r *http.Request) error {
	who := callOf(r).caller
	if err := s.Auth.EndConsole(r.Context(), who.actor, who.session, pathID[tenants.AccountID](r, "account")); err != nil {
		return err
	}
	s.setConsole(w, "", -1)
	return noContent(w)
}

// setConsole hands the browser what it connects to brokers with, which no script
// can read and no other site's page sends; a negative life takes it away.
func (s *Server) setConsole(w http.ResponseWriter, token string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name:     s.ConsoleCookie,
		Value:    token,
		Domain:   s.ConsoleDomain,
		Path:     "/",
		MaxAge:   maxAge(life),
		HttpOnly: true,
		Secure:   s.SecureCookies,
		SameSite: http.SameSiteStrictMode,
	})
}

// maxAge is in whole seconds, where 0 would leave a cookie for as long as the browser runs.
func maxAge(life time.Duration) int {
	if life < time.Second {
		return -1
	}
	return int(life.Seconds())
}
