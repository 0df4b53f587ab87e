package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/auth"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/httpapi"
	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// server is the API over a database of its own, without brokers.
type server struct {
	t      *testing.T
	http   *httptest.Server
	pool   *pgxpool.Pool
	domain *tenants.Service
	auth   *auth.Service
	doc    *openapi3.T
	log    *bytes.Buffer
}

func setup(t *testing.T) *server {
	t.Helper()
	decodeLines()
	s := &server{t: t, pool: pgtest.New(t), log: &bytes.Buffer{}}
	master, err := keyring.GenerateMaster()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(master)
	if err != nil {
		t.Fatal(err)
	}
	s.domain = tenants.New(s.pool, keys)
	s.domain.IssuerKeys = func(context.Context, string) (json.RawMessage, error) { return issuerKeys(), nil }
	if _, err := s.domain.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.auth = auth.New(s.pool, s.domain)
	handler, err := httpapi.New(httpapi.Config{
		Tenants: s.domain,
		Auth:    s.auth,
		Connections: func(context.Context, tenants.Account) (httpapi.Connections, error) {
			return httpapi.Connections{}, nil
		},
		Usage: func(context.Context, tenants.Account) (httpapi.Usage, error) {
			return httpapi.Usage{Asked: 2, Brokers: []httpapi.BrokerUsage{
				{Broker: "two", Connections: 3, Types: map[claims.ConnectionType]httpapi.TypeUsage{"MQTT": {Used: 1, Places: 2}}, JetStream: httpapi.JetStreamUsage{DiskBytes: 5}},
				{Broker: "one", Connections: 4, LeafNodes: 1, Types: map[claims.ConnectionType]httpapi.TypeUsage{"MQTT": {Used: 2, Places: 2}}},
			}}, nil
		},
		Streams: func(context.Context, tenants.Account) (httpapi.Streams, error) {
			return httpapi.Streams{Items: []httpapi.Stream{{Name: "ORDERS", Storage: "file", Brokers: []string{"one"}}}, Asked: 1, Answered: 1}, nil
		},
		Await: func(ctx context.Context, change tenants.Change) httpapi.Proof {
			delivery, err := s.domain.DeliveryOf(ctx, change)
			if err != nil {
				t.Error(err)
			}
			return httpapi.Proof{Delivery: delivery}
		},
		Links: func(tenants.OperatorID) map[string]httpapi.Link { return nil },
		CheckDrift: func(context.Context, tenants.Actor, tenants.OperatorID, bool) (httpapi.DriftCheck, error) {
			return httpapi.DriftCheck{Brokers: []httpapi.BrokerDrift{{Broker: "one", Missing: []string{"A"}}}}, nil
		},
		Foresee: func(context.Context, tenants.RehearsedAccount, []byte) (httpapi.Outlook, error) {
			return httpapi.Outlook{Asked: 2, Brokers: []httpapi.BrokerOutlook{{Broker: "one", Connected: 3, Closed: 1, Closing: []httpapi.Closing{{ID: 7}}}}}, nil
		},
		Simulate: func(facts tenants.LoginFacts, q api.SimulationRequest) (api.Simulation, error) {
			return api.Simulation{Allowed: facts.AccountJWT != "", Steps: []api.SimulationStep{}, Filtered: []api.SimulationDecision{}}, nil
		},
		BrokersMoved:   func() {},
		Ready:          func(ctx context.Context) error { return s.pool.Ping(ctx) },
		Web:            http.NotFoundHandler(),
		TriesPerMinute: 10_000,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, // so that a test can come from other addresses
		Log:            slog.New(slog.NewJSONHandler(s.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(handler)
	t.Cleanup(s.http.Close)
	if s.doc, err = api.Document(); err != nil {
		t.Fatal(err)
	}
	return s
}

// decodeLines has each line of a stream of JSON validated as the document's schema has it.
var decodeLines = sync.OnceFunc(func() {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", func(body io.Reader, _ http.Header, schema *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		var line any
		for lines := json.NewDecoder(body); lines.More(); {
			line = nil
			if err := lines.Decode(&line); err != nil {
				return nil, err
			}
			if err := schema.Value.VisitJSON(line); err != nil {
				return nil, err
			}
		}
		return line, nil
	})
})

// exec changes the database behind the API's back, to set a scene.
func (s *server) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// caller sends requests as somebody: the zero one as nobody.
type caller struct {
	s       *server
	session string // cookie
	token   string // bearer
}

// answer is what came back, checked against the document.
type answer struct {
	t       *testing.T
	request string
	status  int
	header  http.Header
	body    []byte
}

type header map[string]string

// do sends a request; body is JSON text, or a value to encode, or nil. Every
// answer to an operation of the document is validated against it.
func (c caller) do(method, path string, body any, headers ...header) answer {
	c.s.t.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			c.s.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(c.s.t.Context(), method, c.s.http.URL+path, bytes.NewReader(text))
	if err != nil {
		c.s.t.Fatal(err)
	}
	if text != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.session != "" {
		req.AddCookie(&http.Cookie{Name: "signalbox_session", Value: c.session})
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, h := range headers {
		for name, value := range h {
			req.Header.Set(name, value)
		}
	}
	res, err := c.s.http.Client().Do(req)
	if err != nil {
		c.s.t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{t: c.s.t, request: method + " " + path, status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		c.s.t.Fatal(err)
	}
	c.s.validate(req, a)
	return a
}

var parameter = regexp.MustCompile(`\\\{[a-z_]+\\\}`)

// route finds the document's operation for a request, or nil.
func (s *server) route(method, path string) *routers.Route {
	for template, item := range s.doc.Paths.Map() {
		pattern := "^" + parameter.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "$"
		if regexp.MustCompile(pattern).MatchString(path) && item.GetOperation(method) != nil {
			return &routers.Route{Spec: s.doc, Path: template, PathItem: item, Method: method, Operation: item.GetOperation(method)}
		}
	}
	return nil
}

func (s *server) validate(req *http.Request, a answer) {
	s.t.Helper()
	route := s.route(req.Method, req.URL.Path)
	if route == nil {
		return
	}
	err := openapi3filter.ValidateResponse(s.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(bytes.NewReader(a.body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		s.t.Errorf("%s: the answer %d does not fit the document: %v\n%s", a.request, a.status, err, a.body)
	}
}

// want fails the test unless the status is as said, and decodes the body into each dst.
func (a answer) want(status int, dst ...any) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status = %d, want %d\n%s", a.request, a.status, status, a.body)
	}
	for _, d := range dst {
		if err := json.Unmarshal(a.body, d); err != nil {
			a.t.Fatalf("%s: %v\n%s", a.request, err, a.body)
		}
	}
	return a
}

func (a answer) problem() api.Problem {
	a.t.Helper()
	var p api.Problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Fatalf("%s: not a problem: %v\n%s", a.request, err, a.body)
	}
	return p
}

// wantField fails the test unless the answer is a problem of that status which names the field.
func (a answer) wantField(status int, pointer string) {
	a.t.Helper()
	a.want(status)
	p := a.problem()
	if p.Errors != nil {
		for _, e := range *p.Errors {
			if e.Pointer == pointer {
				return
			}
		}
	}
	a.t.Errorf("%s: no error names %s\n%s", a.request, pointer, a.body)
}

// tenant is somebody who has signed up, with all that a tenant can have.
type tenant struct {
	owner caller
	email string
	id    string
	ids   map[string]string // by path parameter
	creds string            // of the credential
}

func (s *server) signUp(name string) *tenant {
	s.t.Helper()
	email := strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@example.com"
	var me api.Me
	a := caller{s: s}.do("POST", "/v1/sign-up", api.SignUp{Email: email, Password: "correct horse battery", TenantName: name}).want(201, &me)
	t := &tenant{owner: caller{s: s, session: sessionOf(a)}, email: email, id: me.Memberships[0].TenantId}
	t.ids = map[string]string{"tenant": t.id}
	return t
}

func sessionOf(a answer) string {
	a.t.Helper()
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == "signalbox_session" {
			return c.Value
		}
	}
	a.t.Fatalf("%s: no session cookie", a.request)
	return ""
}

// logIn makes another session of the tenant's owner.
func (t *tenant) logIn() caller {
	a := caller{s: t.owner.s}.do("POST", "/v1/sessions", api.LogIn{Email: t.email, Password: "correct horse battery"}).want(201)
	return caller{s: t.owner.s, session: sessionOf(a)}
}

// token makes an API token with the role.
func (t *tenant) token(role string) caller {
	t.owner.s.t.Helper()
	var made api.ApiTokenCreated
	t.owner.do("POST", "/v1/tenants/"+t.id+"/api-tokens", map[string]any{"name": role, "role": role}).want(201, &made)
	t.ids["api_token"] = made.ApiToken.Id
	return caller{s: t.owner.s, token: made.Token}
}

// deleted gives the account that name and deletes it.
func (t *tenant) deleted(name any) {
	t.owner.s.t.Helper()
	t.owner.do("PATCH", "/v1/accounts/"+t.ids["account"], map[string]any{"name": name}).want(200)
	t.owner.do("DELETE", "/v1/accounts/"+t.ids["account"], nil).want(204)
}

// furnish makes a fresh account with a role that nobody is in, a user, a credential and a device login.
func (t *tenant) furnish(name string) {
	t.owner.s.t.Helper()
	var account api.Account
	t.owner.do("POST", "/v1/tenants/"+t.id+"/accounts", map[string]any{"name": name}).want(201, &account)
	t.ids["account"] = account.Id
	var role api.Role
	t.owner.do("POST", "/v1/accounts/"+account.Id+"/roles", map[string]any{"name": "spare"}).want(201, &role)
	t.ids["role"] = role.Id
	var user api.User
	t.owner.do("POST", "/v1/accounts/"+account.Id+"/users", map[string]any{"name": "someone"}).want(201, &user)
	t.ids["user"] = user.Id
	var issued api.CredentialIssued
	t.owner.do("POST", "/v1/users/"+user.Id+"/credentials", map[string]any{}).want(201, &issued)
	t.ids["credential"], t.creds = issued.Credential.Id, *issued.Creds
	var login api.DeviceLoginCreated
	t.owner.do("POST", "/v1/users/"+user.Id+"/device-logins", map[string]any{"kind": "token"}).want(201, &login)
	t.ids["device_login"] = login.DeviceLogin.Id
	var issuer api.OidcIssuer
	t.owner.do("POST", "/v1/accounts/"+account.Id+"/oidc-issuers", map[string]any{
		"url": "https://idp.example.org", "audiences": []string{"nats"},
		"rules": []map[string]any{{"role_id": role.Id, "name": "{{sub}}", "conditions": []map[string]any{{"claim": "sub", "match": "glob", "value": "*"}}}},
	}).want(201, &issuer)
	t.ids["oidc_issuer"] = issuer.Id
}
