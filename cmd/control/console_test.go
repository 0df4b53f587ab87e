package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

const consoleCookie = "signalbox_console"

// startConsoleStack starts a stack whose broker has the WebSocket block of
// docs/browser.md, on the stack's ports.
func startConsoleStack(t *testing.T, env ...string) *stack {
	t.Helper()
	s := newStack(t)
	s.env = append(s.env, env...)
	config := fmt.Sprintf("server_name: one\nlisten: 127.0.0.1:%s\njetstream { store_dir: %q }\n%s",
		s.ports[1], filepath.Join(s.dir, "jetstream"), s.here(fencedBlock(t, "docs/browser.md", "conf")))
	if err := os.WriteFile(filepath.Join(s.dir, "nats.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.startControl()
	s.startBroker()
	s.awaitBroker()
	return s
}

// here has text of the documents name the stack's addresses.
func (s *stack) here(text string) string { return strings.NewReplacer(s.addresses()...).Replace(text) }

// addresses are those in the documents, each followed by the stack's own.
func (s *stack) addresses() []string {
	return []string{"http://127.0.0.1:8080", s.url, "127.0.0.1:4222", "127.0.0.1:" + s.ports[1], "127.0.0.1:9222", "127.0.0.1:" + s.ports[2], "-p 1883", "-p " + s.ports[3]}
}

// fencedBlock is the one block of that language in a document.
func fencedBlock(t *testing.T, file, language string) string {
	t.Helper()
	found := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(readRepository(t, file), -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks of %s, want 1", file, len(found), language)
	}
	return found[0][1]
}

// consoleSession is what the API tells of one, and the cookie that came along.
type consoleSession struct {
	AccountPublicKey string    `json:"account_public_key"`
	User             string    `json:"user"`
	MayPublish       bool      `json:"may_publish"`
	ExpiresAt        time.Time `json:"expires_at"`
	Websocket        []string  `json:"websocket"`

	body   string
	cookie *http.Cookie
}

func (c *customer) tryConsole() (s consoleSession, status int) {
	c.t.Helper()
	res, err := c.http.Post(c.url+"/v1/accounts/"+c.account+"/console-session", "", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var body json.RawMessage
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(body, &s); err != nil {
		c.t.Fatal(err)
	}
	s.body = string(body)
	for _, cookie := range res.Cookies() {
		if cookie.Name == consoleCookie {
			s.cookie = cookie
		}
	}
	return s, res.StatusCode
}

func (c *customer) console() consoleSession {
	c.t.Helper()
	s, status := c.tryConsole()
	if status != http.StatusCreated || s.cookie == nil {
		c.t.Fatalf("status = %d, cookie %v: %s", status, s.cookie, s.body)
	}
	return s
}

// page is a browser's connection: all it sends is its cookie and where it comes from.
type page struct {
	*nats.Conn
	closed chan time.Time
}

func (c consoleSession) from(origin string, more ...nats.Option) (page, error) {
	header := http.Header{"Cookie": {consoleCookie + "=" + c.cookie.Value}}
	if origin != "" {
		header.Set("Origin", origin)
	}
	p := page{closed: make(chan time.Time, 1)}
	more = append(more, nats.WebSocketConnectionHeaders(header), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { p.closed <- time.Now() }))
	var err error
	p.Conn, err = nats.Connect(c.Websocket[0], more...)
	return p, err
}

func (s *stack) open(c consoleSession, more ...nats.Option) page {
	s.t.Helper()
	p, err := c.from(s.url, more...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Close)
	return p
}

// closesWithin fails unless the broker ends the connection within that of the start.
func (p page) closesWithin(t *testing.T, start time.Time, most time.Duration) {
	t.Helper()
	select {
	case at := <-p.closed:
		if took := at.Sub(start); took > most {
			t.Errorf("closed after %s, want %s at most", took, most)
		} else {
			t.Logf("closed after %s", took)
		}
	case <-time.After(patience):
		t.Fatal("the connection stays")
	}
}

// refusals are the reasons for which logins to the account were refused.
func (c *customer) refusalReasons() (reasons []string) {
	c.t.Helper()
	var list struct{ Items []struct{ Reason string } }
	c.must("GET", "/v1/accounts/"+c.account+"/refusals", nil, &list)
	for _, item := range list.Items {
		reasons = append(reasons, item.Reason)
	}
	return reasons
}

func TestBrowserConnectsWithoutASecret(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	ada := s.signUp("ada")
	console := ada.console()
	cookie := console.cookie
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Domain != "" || cookie.Secure || cookie.MaxAge < 290 || cookie.MaxAge > 300 {
		t.Errorf("cookie = %v", cookie.Raw[:40])
	}
	if strings.Contains(console.body, cookie.Value) || strings.Contains(console.body, "eyJ") {
		t.Error("the answer's body has the JWT")
	}
	if console.User != "ada@example.com" || !console.MayPublish {
		t.Errorf("session = %s", console.body)
	}

	a, b := s.open(console, nats.UserInfo(console.AccountPublicKey, "")), s.open(console)
	heard := make(chan string, 1)
	if _, err := b.Subscribe("hello", func(m *nats.Msg) { heard <- string(m.Data) }); err != nil {
		t.Fatal(err)
	}
	b.Flush()
	a.Publish("hello", []byte("from a page"))
	select {
	case got := <-heard:
		if got != "from a page" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(patience):
		t.Fatal("the message does not arrive")
	}
	var list struct{ Items []struct{ User string } }
	eventually(t, "the connections to be listed", func() error {
		ada.must("GET", "/v1/accounts/"+ada.account+"/connections", nil, &list)
		if len(list.Items) != 2 || list.Items[0].User != "ada@example.com" {
			return fmt.Errorf("listed: %+v", list.Items)
		}
		return nil
	})

	for _, origin := range []string{"http://127.0.0.1:3000", "https://evil.example", "null", s.url + ".evil.example"} {
		if p, err := console.from(origin); err == nil {
			p.Close()
			t.Errorf("a page from %s uses the cookie", origin)
		}
	}
	bob := s.signUp("bob").console()
	if p, err := console.from(s.url, nats.UserInfo(bob.AccountPublicKey, "")); err == nil {
		p.Close()
		t.Error("a cookie of one account is let in for another")
	}
}

// A browser sends the session's cookie with a form or a script of another site's page, too: that
// neither starts a console nor ends one.
func TestAnotherSitesPageNeitherStartsNorEndsAConsole(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	ada := s.signUp("ada")
	p := s.open(ada.console())
	for name, header := range map[string]http.Header{
		"another site":                      {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
		"another port, to cookies a friend": {"Origin": {"http://127.0.0.1:3000"}, "Sec-Fetch-Site": {"same-site"}},
		"an older browser":                  {"Origin": {"https://evil.example"}},
		"a page without an origin":          {"Origin": {"null"}},
	} {
		for _, method := range []string{"POST", "DELETE"} {
			req, err := http.NewRequestWithContext(t.Context(), method, s.url+"/v1/accounts/"+ada.account+"/console-session", nil)
			check(t, err)
			req.Header = header.Clone()
			res, err := ada.http.Do(req)
			check(t, err)
			res.Body.Close()
			if res.StatusCode != http.StatusForbidden || len(res.Cookies()) != 0 || res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s from %s: status %d, %d cookies", method, name, res.StatusCode, len(res.Cookies()))
			}
		}
	}
	check(t, p.Flush())
	again := ada.console() // the same page's own
	check(t, s.open(again).Flush())
}

func TestLoggingOutClosesThePagesConnections(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	ada := s.signUp("ada")
	console := ada.console()
	first, second := s.open(console), s.open(console)
	start := time.Now()
	ada.must("DELETE", "/v1/sessions/current", nil, nil)
	first.closesWithin(t, start, time.Second)
	second.closesWithin(t, start, time.Second)
	if _, err := console.from(s.url); err == nil {
		t.Error("the cookie of a session that has ended lets in")
	}
	if got := ada.http.Jar.Cookies(mustURL(t, s.url)); len(got) != 0 {
		t.Errorf("the browser keeps %d cookies", len(got))
	}
	ada.must("POST", "/v1/sessions", map[string]any{"email": "ada@example.com", "password": "correct horse battery"}, nil)
	eventually(t, "the refusal to be told", func() error {
		if got := ada.refusalReasons(); !slices.Contains(got, "credential_revoked") {
			return fmt.Errorf("reasons: %v", got)
		}
		return nil
	})
	s.open(ada.console())
}

func TestLeavingTheConsoleClosesItsConnectionsOnly(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	ada := s.signUp("ada")
	p := s.open(ada.console())
	creds := mustConnect(t, s.nats, ada.issue(ada.user("app", "").ID).file)
	start := time.Now()
	ada.must("DELETE", "/v1/accounts/"+ada.account+"/console-session", nil, nil)
	p.closesWithin(t, start, time.Second)
	if err := creds.Flush(); err != nil {
		t.Errorf("another connection of the account: %v", err)
	}
	ada.must("DELETE", "/v1/accounts/"+ada.account+"/console-session", nil, nil) // there is none any more
	s.open(ada.console())
}

func TestRemovedMemberIsDisconnected(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	ada, bob := s.signUp("ada"), s.signUp("bob")
	s.exec(`INSERT INTO members (tenant_id, person_id, role, created_at)
		SELECT '` + ada.tenant + `', id, 'viewer', now() FROM people WHERE email = 'bob@example.com'`)
	bob.account = ada.account
	console := bob.console()
	if console.MayPublish {
		t.Error("a viewer may publish")
	}
	denied := make(chan error, 1)
	viewer := s.open(console, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	heard := make(chan string, 1)
	if _, err := viewer.Subscribe("hello", func(m *nats.Msg) { heard <- string(m.Data) }); err != nil {
		t.Fatal(err)
	}
	viewer.Publish("hello", []byte("from a viewer"))
	viewer.Flush()
	select {
	case err := <-denied:
		if !strings.Contains(strings.ToLower(err.Error()), "permissions violation for publish") {
			t.Errorf("the viewer hears %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the viewer may publish")
	}
	s.open(ada.console()).Publish("hello", []byte("from a developer"))
	select {
	case got := <-heard:
		if got != "from a developer" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(patience):
		t.Fatal("a viewer hears nothing")
	}

	start := time.Now()
	s.exec(`UPDATE members SET role = 'developer' WHERE tenant_id = '` + ada.tenant + `' AND role = 'viewer'`)
	viewer.closesWithin(t, start, time.Second)
	if console = bob.console(); !console.MayPublish {
		t.Error("a developer may not publish")
	}
	developer := s.open(console)
	start = time.Now()
	s.exec(`UPDATE members SET role = 'viewer' WHERE tenant_id = '` + ada.tenant + `' AND role = 'developer'`)
	developer.closesWithin(t, start, time.Second)
	if p, err := console.from(s.url); err == nil {
		p.Close()
		t.Error("who was a developer comes in as one")
	}
	if console = bob.console(); console.MayPublish {
		t.Error("who is a viewer again may publish")
	}
	listener := s.open(console)
	start = time.Now()
	s.exec(`DELETE FROM members WHERE tenant_id = '` + ada.tenant + `' AND role = 'viewer'`)
	listener.closesWithin(t, start, time.Second)
	if _, status := bob.tryConsole(); status != http.StatusNotFound {
		t.Errorf("who is no member gets status %d, want 404", status)
	}
}

func TestSuspendingTheAccountClosesThePagesConnections(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	ada := s.signUp("ada")
	p := s.open(ada.console())
	start := time.Now()
	ada.must("POST", "/v1/accounts/"+ada.account+"/suspend", map[string]any{"reason": "a test"}, nil)
	p.closesWithin(t, start, time.Second)
	if got, status := ada.tryConsole(); status != http.StatusConflict || !strings.Contains(got.body, "suspended") {
		t.Errorf("status %d: %s", status, got.body)
	}
}

// The connection does not notice that the JWT it logged in with has expired, as
// long as the page renews the cookie; and the session's end ends it.
func TestRenewedCookieKeepsTheConnection(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t, "SIGNALBOX_CONSOLE_LIFE=PT2S")
	ada := s.signUp("ada")
	first := ada.console()
	p := s.open(first)
	expired := first.ExpiresAt.Add(3 * time.Second) // and so has the second by then
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last consoleSession
	for now := range tick.C {
		last = ada.console()
		if reply, err := p.Request("$SYS.REQ.USER.INFO", nil, patience); err != nil || !strings.Contains(string(reply.Data), first.AccountPublicKey) {
			t.Fatalf("asking who it is: %v, %v", err, reply)
		}
		if now.After(expired) {
			break
		}
	}
	if _, err := first.from(s.url); err == nil {
		t.Error("the first cookie lets in after it expired")
	}
	s.open(last)
	if stats := p.Stats(); stats.Reconnects != 0 || !p.IsConnected() {
		t.Errorf("reconnects: %d", stats.Reconnects)
	}
	start := time.Now()
	ada.must("DELETE", "/v1/sessions/current", nil, nil)
	p.closesWithin(t, start, time.Second)
}

func TestSessionsEndIsTheConnections(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	ada := s.signUp("ada")
	end := time.Now().Add(4 * time.Second).Truncate(time.Second)
	s.exec(`UPDATE sessions SET expires_at = '` + end.UTC().Format(time.RFC3339) + `'`)
	console := ada.console()
	if !console.ExpiresAt.Equal(end) {
		t.Errorf("the cookie expires %s, after the session %s", console.ExpiresAt, end)
	}
	s.open(console).closesWithin(t, end, time.Second)
}

func TestAPITokenGetsNoCookie(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	ada := s.signUp("ada")
	var token struct{ Token string }
	ada.must("POST", "/v1/tenants/"+ada.tenant+"/api-tokens", map[string]any{"name": "ci", "role": "admin"}, &token)
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/accounts/"+ada.account+"/console-session", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) != 0 {
		t.Errorf("status = %d with %d cookies, want 401 and none", res.StatusCode, len(res.Cookies()))
	}
}

func TestCookieIsSecureAndOfTheDomainWhereControlIsTold(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t, "SIGNALBOX_PUBLIC_URL=https://app.example.com", "SIGNALBOX_CONSOLE_DOMAIN=example.com", "SIGNALBOX_CONSOLE_COOKIE=page")
	var session string // what a browser would not send over plain HTTP
	do := func(method, path, body string) (cookies []*http.Cookie, answer string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Cookie", session)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s, %v", method, path, res.StatusCode, text, err)
		}
		return res.Cookies(), string(text)
	}
	cookies, me := do("POST", "/v1/sign-up", `{"email": "ada@example.com", "password": "correct horse battery", "tenant_name": "ada"}`)
	session = cookies[0].Name + "=" + cookies[0].Value
	_, accounts := do("GET", "/v1/tenants/"+regexp.MustCompile(`ten_\w+`).FindString(me)+"/accounts", "")
	got, _ := do("POST", "/v1/accounts/"+regexp.MustCompile(`acc_\w+`).FindString(accounts)+"/console-session", "")
	if len(got) != 1 || got[0].Name != "page" || !got[0].Secure || !got[0].HttpOnly || got[0].Domain != "example.com" || got[0].SameSite != http.SameSiteStrictMode {
		t.Errorf("cookies = %v", got)
	}
}

// The commands of docs/browser.md, as they stand there.
func TestCommandsOfTheBrowsersPageWork(t *testing.T) {
	t.Parallel()
	s := startConsoleStack(t)
	typed(t, commands(t, "docs/browser.md"), t.TempDir(), "", s.addresses(), []string{`"may_publish":true`, "own page: 101", "another page: 403"})
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
