package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// identityProvider is an issuer of OpenID Connect, whose keys rotate.
type identityProvider struct {
	t   *testing.T
	url string

	mu   sync.Mutex
	keys []jose.JSONWebKey // the last signs
}

func startIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	p := &identityProvider{t: t}
	p.rotate(jose.RS256)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q, "authorization_endpoint": %q, "response_types_supported": ["id_token"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256", "ES256"]}`,
			p.url, p.url+"/keys", p.url+"/authorize")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		var set jose.JSONWebKeySet
		for _, key := range p.keys {
			set.Keys = append(set.Keys, key.Public())
		}
		_ = json.NewEncoder(w).Encode(set)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// rotate makes a key of the algorithm that signs from now on, and forgets the others.
func (p *identityProvider) rotate(algorithm jose.SignatureAlgorithm) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	key := jose.JSONWebKey{KeyID: fmt.Sprint("key of ", time.Now().UnixNano()), Algorithm: string(algorithm), Use: "sig"}
	var err error
	if algorithm == jose.RS256 {
		key.Key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	check(p.t, err)
	p.keys = []jose.JSONWebKey{key}
}

func (p *identityProvider) token(edit func(map[string]any)) string {
	p.t.Helper()
	said := map[string]any{"iss": p.url, "aud": "nats", "sub": "repo:acme/shop", "repository": "shop", "ref": "main", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	if edit != nil {
		edit(said)
	}
	payload, err := json.Marshal(said)
	check(p.t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	key := p.keys[len(p.keys)-1]
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	check(p.t, err)
	signed, err := signer.Sign(payload)
	check(p.t, err)
	token, err := signed.CompactSerialize()
	check(p.t, err)
	return token
}

// startIssuerStack is a stack whose control reads issuers on this machine.
func startIssuerStack(t *testing.T) *stack {
	t.Helper()
	return startStackOn(t, func(s *stack) string {
		s.env = append(s.env, "SIGNALBOX_ISSUERS_ANYWHERE=true")
		return fmt.Sprintf("server_name: one\nlisten: 127.0.0.1:%s\njetstream { store_dir: %q }\nmqtt { listen: 127.0.0.1:%s }\n", s.ports[1], filepath.Join(s.dir, "jetstream"), s.ports[3])
	})
}

// takesTokens has the customer's account take the provider's tokens.
func (c *customer) takesTokens(p *identityProvider) (issuer resource) {
	c.t.Helper()
	role := c.role("pipelines", map[string]any{})
	c.must("POST", "/v1/accounts/"+c.account+"/oidc-issuers", map[string]any{
		"url": p.url, "audiences": []string{"nats"}, "rules": []map[string]any{{
			"role_id": role.ID, "name": "ci-{{repository}}", "conditions": []map[string]any{{"claim": "sub", "match": "prefix", "value": "repo:acme/"}},
		}},
	}, &issuer)
	c.inForce()
	return issuer
}

func (s *stack) byToken(account, token string) (*nats.Conn, error) {
	return nats.Connect(s.nats, nats.UserInfo(account, token), nats.NoReconnect(), nats.Timeout(patience))
}

func TestTokensOfAnIssuerLetInFromControlToBroker(t *testing.T) {
	t.Parallel()
	p, s := startIdentityProvider(t), startIssuerStack(t)
	c := s.signUp("pipelines")
	issuer, account := c.takesTokens(p), c.publicKey()
	first, err := s.byToken(account, p.token(nil))
	check(t, err)
	defer first.Close()

	var creds struct{ Creds string }
	c.must("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": p.token(nil)}, &creds)
	exchanged, err := nats.Connect(s.nats, nats.UserCredentialBytes([]byte(creds.Creds)), nats.NoReconnect())
	check(t, err)
	defer exchanged.Close()

	for reason, edit := range map[string]func(map[string]any){
		"token_audience": func(said map[string]any) { said["aud"] = "others" },
		"token_rule":     func(said map[string]any) { said["sub"] = "repo:evil/shop" },
		"token_time":     func(said map[string]any) { said["exp"] = time.Now().Add(-time.Minute).Unix() },
	} {
		if nc, err := s.byToken(account, p.token(edit)); err == nil {
			nc.Close()
			t.Errorf("%s: it was let in", reason)
		} else if strings.Contains(err.Error(), "token") {
			t.Errorf("%s: the client hears %v", reason, err)
		}
		eventually(t, reason+" to be told", func() error {
			for _, r := range c.refusals() {
				if r.Reason == reason && r.Explanation != "" {
					return nil
				}
			}
			return fmt.Errorf("refusals = %+v", c.refusals())
		})
	}

	// A key that nobody has seen lets in as soon as it has been read, and the old one no more.
	old := p.token(nil)
	p.rotate(jose.ES256)
	start := time.Now()
	eventually(t, "the new key to be known", func() error {
		nc, err := s.byToken(account, p.token(nil))
		if err == nil {
			nc.Close()
		}
		return err
	})
	t.Logf("a token with a new key is taken after %s", time.Since(start).Round(time.Millisecond))
	if nc, err := s.byToken(account, old); err == nil {
		nc.Close()
		t.Error("a key that the issuer has no more lets in")
	}
	if first.IsClosed() {
		t.Error("the issuer's new key ended a connection")
	}

	s.control.kill()
	second, err := s.byToken(account, p.token(nil))
	check(t, err)
	defer second.Close()
	s.startControl()
	closed := []<-chan nats.Status{first.StatusChanged(nats.CLOSED), second.StatusChanged(nats.CLOSED), exchanged.StatusChanged(nats.CLOSED)}
	eventually(t, "the issuer to be deleted", func() error { return c.deleted("/v1/oidc-issuers/" + issuer.ID) })
	start = time.Now()
	for _, end := range closed {
		select {
		case <-end:
		case <-time.After(patience):
			t.Fatal("a connection outlives the issuer")
		}
	}
	t.Logf("all connections by the issuer were closed within %s", time.Since(start).Round(time.Millisecond))
	if nc, err := s.byToken(account, p.token(nil)); err == nil {
		nc.Close()
		t.Error("a token of an issuer that was deleted lets in")
	}
	status, _, err := c.call("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": p.token(nil)})
	if check(t, err); status != http.StatusUnauthorized {
		t.Errorf("its token is exchanged with status %d", status)
	}
}

const shop, site = "repo:acme/shop", "repo:acme/site"

// pipelines are of two subjects, each connected by a token and by creds that were exchanged for one.
type pipelines struct {
	*customer
	s       *stack
	p       *identityProvider
	issuer  string // the issuer's path
	account string // its public key

	token         string // of the shop, as are
	creds, unused nats.Option
	ofShop        []*nats.Conn
	ofSite        []*nats.Conn
}

func startPipelines(t *testing.T) *pipelines {
	t.Helper()
	l := &pipelines{p: startIdentityProvider(t), s: startIssuerStack(t)}
	l.customer = l.s.signUp("pipelines")
	l.issuer, l.account = "/v1/oidc-issuers/"+l.takesTokens(l.p).ID, l.publicKey()
	l.token = l.issued(time.Now().Add(-time.Minute), shop)
	l.creds, l.unused = l.exchange(l.token), l.exchange(l.token)
	l.ofShop = []*nats.Conn{l.in(l.show(l.token)), l.in(l.creds)}
	l.ofSite = []*nats.Conn{l.in(l.show(l.issued(time.Now(), site))), l.in(l.exchange(l.issued(time.Now().Add(-time.Minute), site)))}
	return l
}

func (l *pipelines) issued(at time.Time, subject string) string {
	return l.p.token(func(said map[string]any) { said["iat"], said["sub"] = at.Unix(), subject })
}

func (l *pipelines) show(token string) nats.Option { return nats.UserInfo(l.account, token) }

func (l *pipelines) exchange(token string) nats.Option {
	l.t.Helper()
	var creds struct{ Creds string }
	l.must("POST", "/v1/accounts/"+l.customer.account+"/oidc-exchange", map[string]any{"token": token}, &creds)
	return nats.UserCredentialBytes([]byte(creds.Creds))
}

func (l *pipelines) dial(by nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(l.s.nats, by, nats.NoReconnect(), nats.Timeout(patience))
	if err == nil {
		l.t.Cleanup(nc.Close)
	}
	return nc, err
}

func (l *pipelines) in(by nats.Option) *nats.Conn {
	l.t.Helper()
	nc, err := l.dial(by)
	check(l.t, err)
	return nc
}

// wantOut fails if the shop's token is taken, to log in with or for creds.
func (l *pipelines) wantOut(when string) {
	l.t.Helper()
	if nc, err := l.dial(l.show(l.token)); err == nil {
		l.t.Errorf("%s the token let in again, as %s", when, nc.ConnectedUrl())
	}
	if status, _, err := l.call("POST", "/v1/accounts/"+l.customer.account+"/oidc-exchange", map[string]any{"token": l.token}); err != nil || status != http.StatusUnauthorized {
		l.t.Errorf("%s the token is exchanged with status %d (%v)", when, status, err)
	}
}

// wantForeseen fails unless a dry run says that so many connections would be closed. What brokers
// that did not answer in time would close, it does not know, and says so.
func (l *pipelines) wantForeseen(closed int64, what, method, path string, body any) {
	l.t.Helper()
	var dryRun struct {
		Affected struct {
			Closed   int64 `json:"connections_closed"`
			Asked    int64 `json:"brokers_asked"`
			Answered int64 `json:"brokers_answered"`
		}
	}
	eventually(l.t, "all brokers to foresee "+what, func() error {
		if l.must(method, path+"?dry_run=true", body, &dryRun); dryRun.Affected.Answered < dryRun.Affected.Asked {
			return fmt.Errorf("%+v", dryRun.Affected)
		}
		return nil
	})
	if got := dryRun.Affected.Closed; got != closed {
		l.t.Errorf("%s would close %d connections, want %d", what, got, closed)
	}
}

// A subject's tokens are revoked as a credential is: what came by them, or by creds that were
// exchanged for them, is thrown out, and neither lets in again.
func TestRevokedSubjectIsThrownOutAndStaysOut(t *testing.T) {
	t.Parallel()
	l := startPipelines(t)
	revocation := map[string]any{"subject": shop, "reason": "in a log"}
	l.wantForeseen(2, "the revocation", "POST", l.issuer+"/revoke", revocation)
	var gone []<-chan nats.Status
	for _, nc := range l.ofShop {
		gone = append(gone, nc.StatusChanged(nats.CLOSED))
	}
	var told struct {
		Revoked []struct{ Subject, Reason string } `json:"revoked_subjects"`
	}
	start := time.Now()
	l.must("POST", l.issuer+"/revoke", revocation, &told)
	if len(told.Revoked) != 1 || told.Revoked[0].Subject != shop || told.Revoked[0].Reason != "in a log" {
		t.Errorf("the issuer says %+v", told)
	}
	for _, end := range gone {
		select {
		case <-end:
		case <-time.After(patience):
			t.Fatal("a connection outlives the revocation")
		}
	}
	t.Logf("both connections were closed within %s", time.Since(start).Round(time.Millisecond))
	l.inForce()
	l.wantOut("after its revocation")
	for name, by := range map[string]nats.Option{"its creds": l.creds, "its creds that nobody had used": l.unused} {
		if nc, err := l.dial(by); err == nil {
			t.Errorf("%s let in again, as %s", name, nc.ConnectedUrl())
		}
	}
	eventually(t, "the refusals to be told", func() error {
		for _, r := range l.refusals() {
			if r.Reason == "credential_revoked" && r.Explanation != "" {
				return nil
			}
		}
		return fmt.Errorf("refusals = %+v", l.refusals())
	})
	for _, nc := range l.ofSite {
		if nc.IsClosed() {
			t.Error("a connection of another subject was closed")
		}
	}
	l.wantForeseen(0, "the same again", "POST", l.issuer+"/revoke", revocation)

	// It outlives the issuer, since its tokens do.
	l.must("DELETE", l.issuer, nil, nil)
	l.must("POST", "/v1/accounts/"+l.customer.account+"/oidc-issuers", map[string]any{"url": l.p.url, "audiences": []string{"nats"}, "rules": l.rules(l.role("other pipelines", map[string]any{}).ID)}, nil)
	l.inForce()
	l.wantOut("after its issuer was deleted and made again")
	eventually(t, "a token to be let in that was not issued in the revocation's own second", func() error {
		_, err := l.dial(l.show(l.issued(time.Now(), shop)))
		return err
	})
	l.in(l.show(l.issued(time.Now().Add(-time.Minute), site)))
}

// rules put every subject of the organization in the role.
func (l *pipelines) rules(role string) []map[string]any {
	return []map[string]any{{
		"role_id": role, "name": "ci-{{repository}}", "max_lifetime": "PT1H",
		"conditions": []map[string]any{{"claim": "sub", "match": "prefix", "value": "repo:acme/"}},
	}}
}

// What a change of an issuer closes is foreseen, though brokers do not have the page that it makes.
func TestWhatAChangeOfAnIssuerClosesIsForeseen(t *testing.T) {
	t.Parallel()
	l := startPipelines(t)
	other := l.rules(l.role("other pipelines", map[string]any{}).ID)
	l.wantForeseen(4, "another role", "PATCH", l.issuer, map[string]any{"audiences": []string{"nats"}, "rules": other})
	l.wantForeseen(4, "another audience", "PATCH", l.issuer, map[string]any{"audiences": []string{"nats", "others"}})
	l.wantForeseen(0, "another description", "PATCH", l.issuer, map[string]any{"description": "the pipelines"})
	l.wantForeseen(4, "its deletion", "DELETE", l.issuer, nil)
	l.must("DELETE", l.issuer, nil, nil)
	l.inForce()
	for _, nc := range append(l.ofShop, l.ofSite...) {
		eventually(t, "those foreseen to be closed", func() error {
			if !nc.IsClosed() {
				return errors.New("it is open")
			}
			return nil
		})
	}
}

// Creds that nobody could log in with are not handed out, and the account's people are told why.
func TestTokenIsNotExchangedForCredsThatNobodyCouldUse(t *testing.T) {
	t.Parallel()
	p, s := startIdentityProvider(t), startIssuerStack(t)
	c := s.signUp("exchanger")
	role := c.role("meters", map[string]any{"connection_types": []string{"MQTT"}})
	c.must("POST", "/v1/accounts/"+c.account+"/oidc-issuers", map[string]any{"url": p.url, "audiences": []string{"nats"}, "rules": []map[string]any{{
		"role_id": role.ID, "name": "meter", "conditions": []map[string]any{{"claim": "sub", "match": "prefix", "value": "repo:acme/"}},
	}}}, nil)
	exchange := func() int {
		status, body, err := c.call("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": p.token(nil)})
		if check(t, err); strings.Contains(string(body), "MQTT") || strings.Contains(string(body), "bearer") {
			t.Errorf("whoever has a token hears %s", body)
		}
		return status
	}
	told := func(reason, detail string) {
		t.Helper()
		for _, r := range c.refusals() {
			if r.Reason == reason && strings.Contains(r.Detail, detail) {
				return
			}
		}
		t.Errorf("refusals = %+v, want %s: %s", c.refusals(), reason, detail)
	}
	if status := exchange(); status != http.StatusUnauthorized {
		t.Errorf("creds in a role for MQTT that is not bearer: status %d", status)
	}
	told("connection_type", "MQTT clients cannot prove that they hold a seed")
	c.must("PATCH", "/v1/roles/"+role.ID, map[string]any{"bearer": true}, nil)
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"limits": map[string]any{"bearer": false}}, nil)
	if status := exchange(); status != http.StatusUnauthorized {
		t.Errorf("bearer creds in an account that allows none: status %d", status)
	}
	told("bearer_not_allowed", "the account exchanger allows none")

	// What is exchanged in a bearer role works over MQTT, where the JWT is the password.
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"limits": map[string]any{"bearer": true}}, nil)
	c.inForce()
	var out struct{ Creds string }
	c.must("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": p.token(nil)}, &out)
	token, err := nkeys.ParseDecoratedJWT([]byte(out.Creds))
	check(t, err)
	pub := exec.CommandContext(t.Context(), "mosquitto_pub", "-h", "127.0.0.1", "-p", s.ports[3], "-u", "meter", "-P", token, "-q", "1", "-t", "readings/1", "-m", "42")
	if said, err := pub.CombinedOutput(); err != nil {
		t.Errorf("exchanged creds over MQTT: %v: %s", err, said)
	}
}

func (c *customer) deleted(path string) error {
	status, body, err := c.call("DELETE", path, nil)
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("%d %s", status, body)
	}
	return err
}

func TestIssuersOfTheOwnNetworkAreNotRead(t *testing.T) {
	t.Parallel()
	p, s := startIdentityProvider(t), startStack(t)
	c := s.signUp("curious")
	role := c.role("pipelines", map[string]any{})
	for _, url := range []string{p.url, strings.Replace(p.url, "http://", "https://", 1), "https://169.254.169.254/latest", "https://[::1]/", "https://10.0.0.1"} {
		status, body, err := c.call("POST", "/v1/accounts/"+c.account+"/oidc-issuers", map[string]any{
			"url": url, "audiences": []string{"nats"}, "rules": []map[string]any{{"role_id": role.ID, "name": "x", "conditions": []map[string]any{{"claim": "sub", "match": "glob", "value": "*"}}}},
		})
		if check(t, err); status != http.StatusUnprocessableEntity && status != http.StatusBadRequest || !strings.Contains(string(body), `"/url"`) {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
}

// The commands of docs/oidc.md, as they stand there.
func TestCommandsOfTheIssuersPageWork(t *testing.T) {
	t.Parallel()
	p, s := startIdentityProvider(t), startIssuerStack(t)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "token.jwt"), []byte(p.token(nil)+"\n"), 0o600))
	typed(t, commands(t, "docs/oidc.md"), dir, "", append(s.addresses(), "https://idp.example.org", p.url),
		[]string{`Published 9 bytes to "builds.ci-shop.done"`, `Published 8 bytes to "builds.ci-shop.done"`, `"key_ids":["key of `})
}
