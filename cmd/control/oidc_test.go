package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
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

// A subject's tokens are revoked as a credential is: what came by them, or by creds that were
// exchanged for them, is thrown out, and neither lets in again.
func TestRevokedSubjectIsThrownOutAndStaysOut(t *testing.T) {
	t.Parallel()
	p, s := startIdentityProvider(t), startIssuerStack(t)
	c := s.signUp("revokers")
	issuer, account := c.takesTokens(p), c.publicKey()
	exchange := func(token string) nats.Option {
		var creds struct{ Creds string }
		c.must("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": token}, &creds)
		return nats.UserCredentialBytes([]byte(creds.Creds))
	}
	dial := func(by nats.Option) (*nats.Conn, error) {
		nc, err := nats.Connect(s.nats, by, nats.NoReconnect(), nats.Timeout(patience))
		if err == nil {
			t.Cleanup(nc.Close)
		}
		return nc, err
	}
	connect := func(by nats.Option) *nats.Conn {
		nc, err := dial(by)
		check(t, err)
		return nc
	}
	issuedAt := func(at time.Time, sub string) string {
		return p.token(func(said map[string]any) { said["iat"], said["sub"] = at.Unix(), sub })
	}
	shop, site := "repo:acme/shop", "repo:acme/site"
	token := issuedAt(time.Now().Add(-time.Minute), shop)
	creds := exchange(token)
	unused := exchange(token)
	gone := []<-chan nats.Status{
		connect(nats.UserInfo(account, token)).StatusChanged(nats.CLOSED), connect(creds).StatusChanged(nats.CLOSED),
	}
	stay := []*nats.Conn{
		connect(nats.UserInfo(account, issuedAt(time.Now(), site))), connect(exchange(issuedAt(time.Now().Add(-time.Minute), site))),
	}

	revocation := map[string]any{"subject": shop, "reason": "in a log"}
	foreseen := func(method, path string, body any) (closed int64) {
		var dryRun struct {
			Affected struct {
				Closed int64 `json:"connections_closed"`
			}
		}
		c.must(method, path+"?dry_run=true", body, &dryRun)
		return dryRun.Affected.Closed
	}
	path := "/v1/oidc-issuers/" + issuer.ID
	if n := foreseen("POST", path+"/revoke", revocation); n != 2 {
		t.Errorf("a dry run closes %d connections, want 2", n)
	}
	var told struct {
		Revoked []struct{ Subject, Reason string } `json:"revoked_subjects"`
	}
	start := time.Now()
	c.must("POST", path+"/revoke", revocation, &told)
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
	c.inForce()
	for name, by := range map[string]nats.Option{"the token": nats.UserInfo(account, token), "its creds": creds, "its creds that nobody had used": unused} {
		if nc, err := dial(by); err == nil {
			t.Errorf("%s let in again, as %s", name, nc.ConnectedUrl())
		}
	}
	if status, _, err := c.call("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": token}); err != nil || status != http.StatusUnauthorized {
		t.Errorf("the token is exchanged with status %d (%v)", status, err)
	}
	eventually(t, "the refusals to be told", func() error {
		for _, r := range c.refusals() {
			if r.Reason == "credential_revoked" && r.Explanation != "" {
				return nil
			}
		}
		return fmt.Errorf("refusals = %+v", c.refusals())
	})
	for _, nc := range stay {
		if nc.IsClosed() {
			t.Error("a connection of another subject was closed")
		}
	}
	if n := foreseen("POST", path+"/revoke", revocation); n != 0 {
		t.Errorf("done again it would close %d connections", n)
	}

	// What a change of a rule closes is foreseen, though brokers do not have the page that it makes.
	role := c.role("other pipelines", map[string]any{}).ID
	rules := func(most string, audiences ...string) map[string]any {
		return map[string]any{"audiences": audiences, "rules": []map[string]any{{
			"role_id": role, "name": "ci-{{repository}}", "max_lifetime": most,
			"conditions": []map[string]any{{"claim": "sub", "match": "prefix", "value": "repo:acme/"}},
		}}}
	}
	for name, body := range map[string]map[string]any{"another role": rules("PT1H", "nats"), "another audience": {"audiences": []string{"nats", "others"}}} {
		if n := foreseen("PATCH", path, body); n != 2 {
			t.Errorf("%s would close %d connections, want 2", name, n)
		}
	}
	if n := foreseen("PATCH", path, map[string]any{"description": "the pipelines"}); n != 0 {
		t.Errorf("another description would close %d connections", n)
	}
	if n := foreseen("DELETE", path, nil); n != 2 {
		t.Errorf("its deletion would close %d connections, want 2", n)
	}

	// What is revoked outlives the issuer, since its tokens do.
	c.must("DELETE", path, nil, nil)
	again := rules("PT1H", "nats")
	again["url"] = p.url
	c.must("POST", "/v1/accounts/"+c.account+"/oidc-issuers", again, nil)
	c.inForce()
	if nc, err := dial(nats.UserInfo(account, token)); err == nil {
		t.Errorf("the issuer deleted and made again, the token let in again, as %s", nc.ConnectedUrl())
	}
	if status, _, err := c.call("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": token}); err != nil || status != http.StatusUnauthorized {
		t.Errorf("the issuer deleted and made again, the token is exchanged with status %d (%v)", status, err)
	}
	eventually(t, "a token to be let in that was not issued in the revocation's own second", func() error {
		_, err := dial(nats.UserInfo(account, issuedAt(time.Now(), shop)))
		return err
	})
	connect(nats.UserInfo(account, issuedAt(time.Now().Add(-time.Minute), site)))
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
