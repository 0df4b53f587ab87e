package admission_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/go-jose/go-jose/v4"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// tokens is an account that takes the tokens of an issuer, which signs them with RS256 and ES256.
type tokens struct {
	*brokertest.Cluster
	t       *testing.T
	node    *brokertest.Node
	account *brokertest.Account
	url     string
	keys    map[string]jose.JSONWebKey
}

func setupTokens(t *testing.T) *tokens {
	t.Helper()
	s := &tokens{Cluster: brokertest.Start(t, 1), t: t, url: "https://idp.example.org", keys: map[string]jose.JSONWebKey{}}
	s.node, s.account = s.Nodes[0], s.Control.NewAccount("acme")
	for _, kid := range []string{"rsa", "ec", "next"} {
		s.keys[kid] = newSigner(t, kid)
	}
	s.WaitApplied(s.account.Change(func(a *claims.Account) { a.Limits.JetStream = claims.UnlimitedJetStream() }))
	s.WaitApplied(s.account.SetTrust(s.trust("rsa", "ec")))
	return s
}

func newSigner(t *testing.T, kid string) jose.JSONWebKey {
	t.Helper()
	key := jose.JSONWebKey{KeyID: kid, Use: "sig", Algorithm: string(jose.RS256)}
	var err error
	if kid == "rsa" {
		key.Key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key.Algorithm = string(jose.ES256)
		key.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// trust takes tokens of pipelines and people, signed with these keys.
func (s *tokens) trust(kids ...string) claims.Trust {
	s.t.Helper()
	var set jose.JSONWebKeySet
	for _, kid := range kids {
		key := s.keys[kid]
		set.Keys = append(set.Keys, key.Public())
	}
	keys, err := json.Marshal(set)
	if err != nil {
		s.t.Fatal(err)
	}
	role, err := s.account.Role.AccountKey()
	if err != nil {
		s.t.Fatal(err)
	}
	rule := func(claim, value string, most int64) claims.TrustRule {
		return claims.TrustRule{Role: role, Name: "{{sub}}", Tags: []string{"team:{{team}}"}, LifetimeSeconds: most,
			Conditions: []claims.TrustCondition{{Claim: claim, Match: "exact", Value: value}}}
	}
	return claims.Trust{Issuers: []claims.TrustedIssuer{{URL: s.url, Audiences: []string{"nats"}, Keys: keys, Rules: []claims.TrustRule{
		rule("kind", "pipeline", 0), rule("kind", "person", 0), rule("kind", "brief", 2),
	}}}}
}

func (s *tokens) token(edit func(map[string]any)) string { return s.signed("rsa", edit) }

func (s *tokens) signed(kid string, edit func(map[string]any)) string {
	s.t.Helper()
	said := map[string]any{"iss": s.url, "aud": "nats", "sub": "robot", "kind": "pipeline", "exp": time.Now().Add(time.Hour).Unix()}
	if edit != nil {
		edit(said)
	}
	payload, err := json.Marshal(said)
	if err != nil {
		s.t.Fatal(err)
	}
	key := s.keys[kid]
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s *tokens) dial(token string, more ...nats.Option) (*nats.Conn, error) {
	options := []nats.Option{nats.UserInfo(string(s.account.Key), token), nats.NoReconnect(), nats.Timeout(brokertest.Patience)}
	return nats.Connect(s.node.ClientURL(), append(options, more...)...)
}

func (s *tokens) connect(token string) *nats.Conn {
	s.t.Helper()
	nc, err := s.dial(token)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

func TestTokensLetInOverEveryTransport(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	endpoints := s.node.Endpoints()
	for name, at := range map[string]string{"nats": endpoints.NATS[0], "websocket": endpoints.WebSocket[0]} {
		for _, kid := range []string{"rsa", "ec"} {
			nc, err := nats.Connect(at, nats.UserInfo(string(s.account.Key), s.signed(kid, nil)))
			if err != nil {
				t.Errorf("%s with a %s key: %v", name, kid, err)
				continue
			}
			defer nc.Close()
		}
	}
	for name, at := range map[string]string{"mqtt": strings.Replace(endpoints.MQTT[0], "mqtt://", "tcp://", 1), "mqtt over websocket": endpoints.WebSocket[0] + "/mqtt"} {
		client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(at).SetClientID(strings.ReplaceAll(name, " ", "-")).SetUsername(string(s.account.Key)).SetPassword(s.token(nil)))
		if token := client.Connect(); !token.WaitTimeout(brokertest.Patience) || token.Error() != nil {
			t.Errorf("%s: %v", name, token.Error())
		}
		defer client.Disconnect(0)
	}
	for name, at := range map[string]string{"leaf node": endpoints.LeafNode[0], "leaf node over websocket": endpoints.WebSocket[0]} {
		remote, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		remote.User = url.UserPassword(string(s.account.Key), s.token(nil))
		leaf, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, ServerName: strings.ReplaceAll(name, " ", "-"),
			LeafNode: server.LeafNodeOpts{Remotes: []*server.RemoteLeafOpts{{URLs: []*url.URL{remote}}}}})
		if err != nil {
			t.Fatal(err)
		}
		before := s.node.Server().NumLeafNodes() // the leaf node's own count is of those that may yet be refused, too
		leaf.Start()
		defer leaf.Shutdown()
		waitFor(t, name, func() bool { return s.node.Server().NumLeafNodes() == before+1 })
	}
	long, err := s.dial(s.token(func(c map[string]any) { c["groups"] = strings.Repeat("x", 8000) }))
	if err != nil {
		t.Fatalf("a long token: %v", err)
	}
	long.Close()
}

func TestTokensAreRefusedForAReason(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	stranger := newSigner(t, "rsa")
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	right := s.token(nil)
	s.keys["forged"] = stranger
	other := s.Control.NewAccount("other")
	s.WaitApplied(other.Change(nil))
	for name, c := range map[string]struct {
		token   string
		account claims.AccountKey
		reason  admission.Reason
	}{
		"another issuer":        {s.token(set("iss", "https://evil.example.org")), s.account.Key, admission.TokenIssuer},
		"another account":       {right, other.Key, admission.TokenIssuer},
		"forged":                {s.signed("forged", nil), s.account.Key, admission.TokenSignature},
		"a key that is unknown": {s.signed("next", nil), s.account.Key, admission.TokenKey},
		"another audience":      {s.token(set("aud", "others")), s.account.Key, admission.TokenAudience},
		"expired":               {s.token(set("exp", time.Now().Add(-time.Minute).Unix())), s.account.Key, admission.TokenTime},
		"no rule":               {s.token(set("kind", "stranger")), s.account.Key, admission.TokenRule},
		"no subject":            {s.token(set("sub", "")), s.account.Key, admission.TokenMalformed},
	} {
		before := s.node.Admission().Refused(c.reason)
		nc, err := nats.Connect(s.node.ClientURL(), nats.UserInfo(string(c.account), c.token), nats.NoReconnect())
		if err == nil {
			nc.Close()
			t.Errorf("%s: it was let in", name)
			continue
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: the client hears %v", name, err)
		}
		waitFor(t, name+" to be counted", func() bool { return s.node.Admission().Refused(c.reason) == before+1 })
	}
}

// A token's user is judged as any other is, whether the token is shown or was exchanged.
func TestWhomATokenStandsForIsJudgedAsAnyUser(t *testing.T) {
	t.Parallel()
	hour := time.Now().UTC().Add(3 * time.Hour)
	for name, c := range map[string]struct {
		edit   func(*claims.Account, *tokens)
		reason admission.Reason
	}{
		"another network": {func(a *claims.Account, _ *tokens) { a.Roles[0].Template.SourceNetworks = []string{"192.0.2.0/24"} }, admission.WrongNetwork},
		"another type by the role": {func(a *claims.Account, _ *tokens) {
			a.Roles[0].Template.ConnectionTypes = []claims.ConnectionType{claims.MQTT}
		}, admission.ConnectionType},
		"another type by the account": {func(a *claims.Account, _ *tokens) { a.ConnectionTypes = []claims.ConnectionType{claims.MQTT} }, admission.TypeNotAllowed},
		"another time of day": {func(a *claims.Account, _ *tokens) {
			a.Roles[0].Template.TimeZone = "UTC"
			a.Roles[0].Template.Times = []claims.TimeRange{{Start: hour.Format(time.TimeOnly), End: hour.Add(time.Hour).Format(time.TimeOnly)}}
		}, admission.OutsideHours},
		"no place for the user": {func(a *claims.Account, _ *tokens) { a.RoleConnections = map[claims.AccountKey]int64{a.Roles[0].Key: 0} }, admission.UserLimit},
		"no place of the type": {func(a *claims.Account, _ *tokens) {
			a.TypeConnections = map[claims.ConnectionType]int64{claims.Standard: 0}
		}, admission.TypeLimit},
		"a role that is gone": {func(a *claims.Account, _ *tokens) { a.Roles = nil }, admission.UnknownSigningKey},
		"a closed account": {func(a *claims.Account, _ *tokens) {
			a.Limits.Connections, a.Limits.LeafNodes, a.Revoked[claims.AllUsers] = 0, 0, time.Now().Add(time.Hour)
		}, admission.AccountClosed},
		"everything revoked": {func(a *claims.Account, _ *tokens) { a.Revoked[claims.AllUsers] = time.Now().Add(time.Minute) }, admission.CredentialRevoked},
		"its subject revoked": {func(a *claims.Account, s *tokens) {
			a.Revoked[claims.TokenUser(a.Key, s.url, "robot")] = time.Now().Add(time.Minute)
		}, admission.CredentialRevoked},
		"its rule gone": {func(a *claims.Account, s *tokens) {
			trust := s.trust("rsa", "ec")
			trust.Issuers[0].Rules = trust.Issuers[0].Rules[1:]
			a.Trust = s.keep(trust)
		}, admission.TokenRule},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setupTokens(t)
			creds := s.exchanged(s.token(nil))
			s.connect(s.token(nil)).Close()
			creds.Connect(t, s.node.ClientURL()).Close()
			s.WaitApplied(s.account.Change(func(a *claims.Account) { c.edit(a, s) }))
			before := s.node.Admission().Refused(c.reason)
			shown := map[string]func() (*nats.Conn, error){
				"shown":     func() (*nats.Conn, error) { return s.dial(s.token(nil)) },
				"exchanged": func() (*nats.Conn, error) { return creds.Dial(s.node.ClientURL()) },
			}
			for how, dial := range shown {
				nc, err := dial()
				if err == nil {
					nc.Close()
					t.Errorf("%s: it was let in", how)
				} else if err.Error() != "nats: Authorization Violation" {
					t.Errorf("%s: the client hears %v", how, err)
				}
			}
			waitFor(t, "them to be counted as "+string(c.reason), func() bool { return s.node.Admission().Refused(c.reason) == before+int64(len(shown)) })
			s.Control.WaitFor(patience(t), "control to be told", func() bool {
				return slices.ContainsFunc(s.Control.RefusedLogins(), func(r resolver.RefusedLogins) bool {
					return r.Account == string(s.account.Key) && r.Reason == string(c.reason)
				})
			})
		})
	}
}

// keep has control know the page of what is trusted.
func (s *tokens) keep(trust claims.Trust) claims.PageHash {
	s.t.Helper()
	page, err := claims.EncodeTrustPage(trust)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Control.KeepPage(page)
	return page.Hash()
}

// An end that no clock reaches is none that a connection cannot have.
func TestTokenMayLastForEver(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	nc := s.connect(s.token(func(c map[string]any) { c["exp"] = 253402300799 }))
	if err := nc.FlushTimeout(brokertest.Patience); err != nil {
		t.Error(err)
	}
}

// Tokens, and creds that were exchanged for them, from a broker that has been started since control went away.
func TestTokensAreTakenWhileControlIsAway(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	creds, gone := s.exchanged(s.token(nil)), s.token(func(c map[string]any) { c["sub"], c["iat"] = "gone", time.Now().Add(-time.Minute).Unix() })
	s.connect(gone)
	s.WaitApplied(s.account.Revoke(claims.TokenUser(s.account.Key, s.url, "gone")))
	s.Control.StopHub()
	for range 2 {
		s.connect(s.token(nil))
		creds.Connect(t, s.node.ClientURL())
		if nc, err := s.dial(gone); err == nil {
			nc.Close()
			t.Error("a token that was revoked was let in")
		}
		s.node.Stop()
		s.node.Start()
	}
}

func TestConnectionsByATokenEndWithTheRule(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	pipeline, person := s.connect(s.token(nil)), s.connect(s.token(func(c map[string]any) { c["kind"] = "person" }))
	creds := s.exchanged(s.token(nil))
	exchanged := creds.Connect(t, s.node.ClientURL())
	native := s.account.Issue("native").Connect(t, s.node.ClientURL())

	s.WaitApplied(s.account.SetTrust(s.trust("ec", "next"))) // the issuer's keys rotate
	for name, nc := range map[string]*nats.Conn{"pipeline": pipeline, "person": person, "exchanged": exchanged} {
		if nc.IsClosed() {
			t.Errorf("another key ended the connection of the %s", name)
		}
	}
	s.connect(s.signed("next", nil))
	if nc, err := s.dial(s.token(nil)); err == nil {
		nc.Close()
		t.Error("a key that the issuer has no more lets in")
	}

	fewer := s.trust("ec", "next")
	fewer.Issuers[0].Rules = fewer.Issuers[0].Rules[1:]
	s.WaitApplied(s.account.SetTrust(fewer))
	brokertest.WaitClosed(t, pipeline)
	brokertest.WaitClosed(t, exchanged)
	mustBeRefused(t, creds, s.node.ClientURL())
	if person.IsClosed() {
		t.Error("the end of one rule ended a connection by another")
	}
	s.WaitApplied(s.account.SetTrust(claims.Trust{}))
	brokertest.WaitClosed(t, person)
	if native.IsClosed() {
		t.Error("a connection by creds ended with the issuer")
	}
}

// exchanged is what control gives for a token.
func (s *tokens) exchanged(token string) brokertest.Credential {
	s.t.Helper()
	return s.given(s.read(token))
}

func (s *tokens) given(said claims.IdentityToken) brokertest.Credential {
	s.t.Helper()
	seed, key := brokertest.NewUserSeed(s.t)
	signed, err := claims.EncodeUser(claims.User{Key: key, Name: said.Name, Account: s.account.Key, Rule: said.Rule,
		Origin: claims.TokenOrigin{User: said.User, IssuedAt: said.IssuedAt}}, s.account.Role)
	if err != nil {
		s.t.Fatal(err)
	}
	return brokertest.Credential{Key: key, JWT: signed, Seed: seed}
}

func (s *tokens) read(token string) claims.IdentityToken {
	s.t.Helper()
	page, err := claims.EncodeTrustPage(s.trust("rsa", "ec"))
	if err != nil {
		s.t.Fatal(err)
	}
	said, err := page.Issuers().Read(s.account.Key, token, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return said
}

func TestConnectionsByATokenEndWithItsTimeOrTheRules(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	start := time.Now()
	short := s.connect(s.token(func(c map[string]any) { c["exp"] = start.Add(3 * time.Second).Unix() }))
	brief := s.connect(s.token(func(c map[string]any) { c["kind"] = "brief" }))
	for name, nc := range map[string]*nats.Conn{"token's": short, "rule's": brief} {
		brokertest.WaitClosed(t, nc)
		if lasted := time.Since(start); lasted > 10*time.Second {
			t.Errorf("the end of the %s time came after %s", name, lasted)
		}
	}
}

func TestRevokingWhomATokenStandsForEndsThem(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	issued := func(ago time.Duration, subject string) string {
		return s.token(func(c map[string]any) { c["iat"], c["sub"] = time.Now().Add(-ago).Unix(), subject })
	}
	token, undated := issued(time.Minute, "robot"), s.token(nil)
	creds, others := s.exchanged(token), s.exchanged(issued(time.Minute, "other"))
	ended := map[string]*nats.Conn{
		"by the token": s.connect(token), "by a token without a date": s.connect(undated), "by exchanged creds": creds.Connect(t, s.node.ClientURL()),
	}
	stays := others.Connect(t, s.node.ClientURL())

	revoked, err := jwt.DecodeAccountClaims(s.account.Custom(func(c *jwt.AccountClaims) { c.Revoke(string(s.read(token).User)) }))
	if err != nil {
		t.Fatal(err)
	}
	if o := s.node.Admission().Foresee(revoked, claims.TrustPage{}); len(o.Closed) != len(ended) || o.Connected != len(ended)+1 {
		t.Errorf("it is foreseen that %d of %d connections end", len(o.Closed), o.Connected)
	}
	s.WaitApplied(s.account.Revoke(s.read(token).User))
	for name, nc := range ended {
		brokertest.WaitClosed(t, nc)
		t.Log("closed:", name)
	}
	for name, token := range map[string]string{"the token": token, "one without a date": undated} {
		if nc, err := s.dial(token); err == nil {
			nc.Close()
			t.Errorf("%s came back", name)
		}
	}
	before := s.node.Admission().Refused(admission.CredentialRevoked)
	mustBeRefused(t, creds, s.node.ClientURL())
	if n := s.node.Admission().Refused(admission.CredentialRevoked); n != before+1 {
		t.Errorf("%d logins were refused as revoked, want 1", n-before)
	}
	if stays.IsClosed() {
		t.Error("another subject's connection ended")
	}
	later := s.read(token)
	later.IssuedAt = time.Now().Add(time.Second)
	s.given(later).Connect(t, s.node.ClientURL())
}

// An issuer chooses its users' names, so one that is called as a user of the account is not that user.
func TestTokenIsNotTheUserWhoseNameItHas(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	_, admin := brokertest.NewAccountSeed(t)
	s.WaitApplied(s.account.Change(func(a *claims.Account) {
		a.Roles[0].Template.Publish.Allow = []string{"mine.>"}
		a.Roles = append(a.Roles, claims.Role{Key: admin, Name: "admin", Template: claims.OpenTemplate()})
		a.Overrides = []claims.UserOverride{{Name: "robot", Role: admin, Connections: 0, ConnectionTypes: []claims.ConnectionType{claims.MQTT}}}
	}))
	denied := make(chan error, 1)
	nc, err := s.dial(s.token(nil), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish("theirs.a", nil); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-denied:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Error(err)
		}
	case <-time.After(brokertest.Patience):
		t.Error("it may do what the user may whose name it has")
	}
}
