package httpapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// issuerKey is that of every issuer of the tests'.
var issuerKey = sync.OnceValue(func() jose.JSONWebKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: "one", Algorithm: string(jose.ES256), Use: "sig"}
})

func issuerKeys() json.RawMessage {
	key := issuerKey()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		panic(err)
	}
	return set
}

// idToken is a token of the issuer that furnish makes.
func idToken(t testing.TB, edit func(map[string]any)) string {
	t.Helper()
	said := map[string]any{"iss": "https://idp.example.org", "aud": "nats", "sub": "robot", "exp": time.Now().Add(5 * time.Minute).Unix()}
	if edit != nil {
		edit(said)
	}
	payload, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: issuerKey()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenIsExchangedForCredsThatLastMinutes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Exchange")
	owner.furnish("exchange")
	nobody := caller{s: s}
	path := "/v1/accounts/" + owner.ids["account"] + "/oidc-exchange"
	var got api.OidcExchanged
	nobody.do("POST", path, body{"token": idToken(t, nil)}).want(http.StatusOK, &got)
	token, _, err := claims.ParseCreds([]byte(got.Creds))
	if err != nil {
		t.Fatal(err)
	}
	user, err := claims.DecodeUser(token)
	if err != nil {
		t.Fatal(err)
	}
	if life := time.Until(user.Expires); user.Name != "robot" || got.UserName != "robot" || life > 5*time.Minute || life < 4*time.Minute || !user.Expires.Equal(got.ExpiresAt.Truncate(time.Second)) {
		t.Errorf("creds of %s for %s, said %+v", user.Name, life, got)
	}
	if _, ok := claims.RuleOf(user.Tags); !ok {
		t.Error("the creds do not say by which rule they were made")
	}
	file := nobody.do("POST", path, body{"token": idToken(t, func(c map[string]any) { c["exp"] = time.Now().Add(time.Hour).Unix() })}, header{"Accept": "text/plain"}).want(http.StatusOK)
	token, _, err = claims.ParseCreds(file.body)
	if err != nil {
		t.Fatalf("as a file: %v", err)
	}
	if user, err = claims.DecodeUser(token); err != nil || time.Until(user.Expires) > 15*time.Minute {
		t.Errorf("creds of a token that is good for an hour expire at %s (%v)", user.Expires, err)
	}
	owner.owner.do("POST", "/v1/oidc-issuers/"+owner.ids["oidc_issuer"]+"/revoke", body{"subject": "robot"}).want(http.StatusOK)
	nobody.do("POST", path, body{"token": idToken(t, func(c map[string]any) { c["iat"] = time.Now().Add(-time.Minute).Unix() })}).want(http.StatusUnauthorized)
	nobody.do("POST", path, body{"token": idToken(t, func(c map[string]any) { c["sub"] = "another" })}).want(http.StatusOK)

	var events api.AuditEventPage
	owner.owner.do("GET", "/v1/tenants/"+owner.id+"/audit", nil).want(http.StatusOK, &events)
	if !slices.ContainsFunc(events.Items, func(e api.AuditEvent) bool { return e.Action == "exchangeOidcToken" }) {
		t.Errorf("the audit events are %+v", events.Items)
	}
}

func TestTokensThatAreNotTakenHearOneAnswer(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner, stranger := s.signUp("Exchange"), s.signUp("Stranger")
	owner.furnish("exchange")
	stranger.furnish("strangers")
	nobody := caller{s: s}
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	words, right := map[string]bool{}, idToken(t, nil)
	for want, c := range map[string]struct{ account, token string }{
		"token_issuer":    {owner.ids["account"], idToken(t, set("iss", "https://other.example.org"))},
		"token_audience":  {owner.ids["account"], idToken(t, set("aud", "others"))},
		"token_time":      {owner.ids["account"], idToken(t, set("exp", time.Now().Add(-time.Minute).Unix()))},
		"token_signature": {owner.ids["account"], right[:strings.LastIndexByte(right, '.')+1] + strings.Repeat("A", 86)},
		"token_malformed": {owner.ids["account"], "rubbish"},
		"no such account": {"acc_01930b4e8c2a7cc09c3a5c0d4f", idToken(t, nil)},
		"another account": {stranger.ids["account"], idToken(t, func(c map[string]any) { c["iss"] = "https://theirs.example.org" })},
	} {
		got := nobody.do("POST", "/v1/accounts/"+c.account+"/oidc-exchange", body{"token": c.token}).want(http.StatusUnauthorized)
		words[got.problem().Detail] = true
		if c.account != owner.ids["account"] {
			continue
		}
		var refusals api.RefusedLoginPage
		owner.owner.do("GET", "/v1/accounts/"+c.account+"/refusals", nil).want(http.StatusOK, &refusals)
		if len(refusals.Items) == 0 || refusals.Items[0].Reason != want || refusals.Items[0].Broker != "control" {
			t.Errorf("%s: the account's people read %+v", want, refusals.Items)
		}
	}
	if len(words) != 1 {
		t.Errorf("they hear %v", words)
	}
}

// Pipelines of many tenants come from the addresses of one cloud, so an address is
// slowed down for the account that it bothers, and the account for that address.
func TestWrongTokensSlowDownOnlyWhoSendsThem(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner, stranger := s.signUp("Exchange"), s.signUp("Stranger")
	owner.furnish("exchange")
	stranger.furnish("strangers")
	var second api.Account
	owner.owner.do("POST", "/v1/tenants/"+owner.id+"/accounts", body{"name": "second"}).want(http.StatusCreated, &second)
	exchange := func(account, token, from string) answer {
		return caller{s: s}.do("POST", "/v1/accounts/"+account+"/oidc-exchange", body{"token": token}, header{"X-Forwarded-For": from})
	}
	const there = "198.51.100.1"
	var here string
	for n := 0; ; n++ {
		here = fmt.Sprint("192.0.2.", n)
		minute := time.Now().Truncate(time.Minute)
		for range 600 {
			exchange(owner.ids["account"], "rubbish", here).want(http.StatusUnauthorized)
		}
		wrong, right := exchange(owner.ids["account"], "rubbish", here), exchange(owner.ids["account"], idToken(t, nil), here)
		if !time.Now().Truncate(time.Minute).Equal(minute) {
			continue // tries are counted by the clock's minutes, and these fell into two
		}
		for _, a := range []answer{wrong, right} {
			refused := a.want(http.StatusTooManyRequests)
			if wait := refused.header.Get("Retry-After"); wait != "60" {
				t.Errorf("it is told to try again after %q seconds", wait)
			}
		}
		break
	}
	exchange(owner.ids["account"], idToken(t, nil), there).want(http.StatusOK)
	exchange(stranger.ids["account"], idToken(t, nil), here).want(http.StatusOK)
	exchange(second.Id, "rubbish", here).want(http.StatusUnauthorized)
}
