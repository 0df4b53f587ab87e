package claims_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// idp signs tokens, with keys of several kinds.
type idp struct {
	t    *testing.T
	url  string
	keys map[string]jose.JSONWebKey // by kid
}

func newIDP(t *testing.T, url string) *idp {
	t.Helper()
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{t: t, url: url, keys: map[string]jose.JSONWebKey{}}
	for kid, key := range map[string]crypto.Signer{
		"rsa": must(rsa.GenerateKey(rand.Reader, 2048)), "ec": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "ed": edwards,
	} {
		p.keys[kid] = jose.JSONWebKey{KeyID: kid, Key: key, Use: "sig"}
	}
	return p
}

func (p *idp) set(kids ...string) json.RawMessage {
	var set jose.JSONWebKeySet
	for _, kid := range kids {
		key := p.keys[kid]
		set.Keys = append(set.Keys, key.Public())
	}
	return must(json.Marshal(set))
}

func (p *idp) sign(kid string, algorithm jose.SignatureAlgorithm, said map[string]any) string {
	p.t.Helper()
	key := p.keys[kid]
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := signer.Sign(must(json.Marshal(said)))
	if err != nil {
		p.t.Fatal(err)
	}
	return must(signed.CompactSerialize())
}

type tokenScene struct {
	*idp
	account claims.AccountKey
	role    claims.AccountKey
	now     time.Time
	issuers claims.Issuers
}

func newTokenScene(t *testing.T, rules ...claims.TrustRule) *tokenScene {
	t.Helper()
	s := &tokenScene{idp: newIDP(t, "https://idp.example.org/realm"), now: time.Now().Truncate(time.Second)}
	s.account, s.role = must(must(claims.NewAccountSeed()).AccountKey()), must(must(claims.NewAccountSeed()).AccountKey())
	if len(rules) == 0 {
		rules = []claims.TrustRule{{Conditions: []claims.TrustCondition{{Claim: "sub", Match: "glob", Value: "*"}}, Name: "ci-{{sub}}"}}
	}
	for i := range rules {
		rules[i].Role = s.role
	}
	page, err := claims.EncodeTrustPage(claims.Trust{Issuers: []claims.TrustedIssuer{
		{URL: s.url, Audiences: []string{"nats", "signalbox"}, Keys: s.set("rsa", "ec", "ed"), Rules: rules},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.issuers = page.Issuers()
	return s
}

// token is what the issuer says as a rule.
func (s *tokenScene) token(edit func(map[string]any)) string {
	said := map[string]any{"iss": s.url, "aud": "nats", "sub": "robot", "exp": s.now.Add(time.Hour).Unix(), "iat": s.now.Unix()}
	if edit != nil {
		edit(said)
	}
	return s.sign("rsa", jose.RS256, said)
}

// What does not say when it was issued must not outlive a revocation.
func TestTokenWithoutADateIsOlderThanAnyRevocation(t *testing.T) {
	t.Parallel()
	s := newTokenScene(t)
	dated, err := s.issuers.Read(s.account, s.token(nil), s.now)
	if err != nil || dated.IssuedAt.Unix() != s.now.Unix() {
		t.Errorf("a token of now is from %s (%v)", dated.IssuedAt, err)
	}
	undated, err := s.issuers.Read(s.account, s.token(func(c map[string]any) { delete(c, "iat") }), s.now)
	if err != nil || undated.IssuedAt.Unix() != 1 {
		t.Errorf("a token without a date is from %s (%v)", undated.IssuedAt, err)
	}
}

func TestCredsSayWhichTokenTheyWereGivenFor(t *testing.T) {
	t.Parallel()
	s := newTokenScene(t)
	said, err := s.issuers.Read(s.account, s.token(nil), s.now)
	if err != nil {
		t.Fatal(err)
	}
	want := claims.TokenOrigin{User: said.User, IssuedAt: time.Unix(said.IssuedAt.Unix(), 0)}
	user := claims.User{Key: said.User, Name: said.Name, Account: s.account, Tags: []string{"team:blue"}, Rule: said.Rule}
	if _, ok := claims.OriginOf(user.SignedClaims(said.Role, s.now).Tags); ok {
		t.Error("whom a token stands for was given creds for one")
	}
	user.Origin = want
	if got, ok := claims.OriginOf(user.SignedClaims(said.Role, s.now).Tags); !ok || got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTokensAreTakenOnlyFromTheirIssuer(t *testing.T) {
	t.Parallel()
	s := newTokenScene(t)
	other := newIDP(t, s.url)
	good := s.token(nil)
	parts := strings.Split(good, ".")
	plain := map[string]any{"iss": s.url, "aud": "nats", "sub": "robot", "exp": s.now.Add(time.Hour).Unix()}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + "."
	shared := jose.JSONWebKey{KeyID: "rsa", Key: []byte(strings.Repeat("k", 32))}
	other.keys["shared"] = shared
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"right":                      {good, nil},
		"RS512":                      {s.sign("rsa", jose.RS512, plain), nil},
		"PS256":                      {s.sign("rsa", jose.PS256, plain), nil},
		"ES256":                      {s.sign("ec", jose.ES256, plain), nil},
		"EdDSA":                      {s.sign("ed", jose.EdDSA, plain), nil},
		"one of several audiences":   {s.token(set("aud", []string{"x", "signalbox"})), nil},
		"starts within the leeway":   {s.token(set("nbf", s.now.Add(20*time.Second).Unix())), nil},
		"time with a fraction":       {s.token(set("exp", float64(s.now.Add(time.Minute).Unix())+0.5)), nil},
		"empty":                      {"", claims.ErrTokenMalformed},
		"not signed":                 {unsigned, claims.ErrTokenMalformed},
		"symmetric":                  {other.sign("shared", jose.HS256, plain), claims.ErrTokenMalformed},
		"too long":                   {s.token(set("x", strings.Repeat("x", claims.MaxIdentityTokenBytes))), claims.ErrTokenMalformed},
		"another's key of that name": {other.sign("rsa", jose.RS256, plain), claims.ErrTokenSignature},
		"key that is not there": {func() string {
			p := newIDP(t, s.url)
			k := p.keys["rsa"]
			k.KeyID = "new"
			p.keys["rsa"] = k
			return p.sign("rsa", jose.RS256, plain)
		}(), claims.ErrTokenKey},
		"changed":                     {parts[0] + "." + strings.Split(s.token(set("sub", "root")), ".")[1] + "." + parts[2], claims.ErrTokenSignature},
		"another issuer":              {s.token(set("iss", "https://evil.example.org")), claims.ErrTokenIssuer},
		"issuer with a slash more":    {s.token(set("iss", s.url+"/")), claims.ErrTokenIssuer},
		"no issuer":                   {s.token(func(c map[string]any) { delete(c, "iss") }), claims.ErrTokenIssuer},
		"another audience":            {s.token(set("aud", "others")), claims.ErrTokenAudience},
		"no audience":                 {s.token(func(c map[string]any) { delete(c, "aud") }), claims.ErrTokenAudience},
		"no subject":                  {s.token(func(c map[string]any) { delete(c, "sub") }), claims.ErrTokenMalformed},
		"no end":                      {s.token(func(c map[string]any) { delete(c, "exp") }), claims.ErrTokenMalformed},
		"end that is no time":         {s.token(set("exp", "tomorrow")), claims.ErrTokenMalformed},
		"expired":                     {s.token(set("exp", s.now.Add(-time.Second).Unix())), claims.ErrTokenTime},
		"not valid yet":               {s.token(set("nbf", s.now.Add(time.Minute).Unix())), claims.ErrTokenTime},
		"issued in the future":        {s.token(set("iat", s.now.Add(time.Minute).Unix())), claims.ErrTokenTime},
		"key that is not for signing": {s.token(nil) + "x", claims.ErrTokenSignature},
	} {
		got, err := s.issuers.Read(s.account, c.token, s.now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil && (got.Subject != "robot" || got.Name != "ci-robot" || got.Role != s.role || !s.issuers.Has(got.Rule)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRulesSayWhomATokenStandsFor(t *testing.T) {
	t.Parallel()
	is := func(claim, match, value string) claims.TrustCondition {
		return claims.TrustCondition{Claim: claim, Match: match, Value: value}
	}
	s := newTokenScene(t,
		claims.TrustRule{Conditions: []claims.TrustCondition{is("repository", "prefix", "acme/"), is("ref", "exact", "refs/heads/main")}, Name: "deploy", Tags: []string{"repo:{{repository}}", "env:{{environment}}"}, LifetimeSeconds: 60},
		claims.TrustRule{Conditions: []claims.TrustCondition{is("kubernetes.io.namespace", "exact", "shop")}, Name: "pod-{{kubernetes.io.pod.name}}"},
		claims.TrustRule{Conditions: []claims.TrustCondition{is("groups", "exact", "admins")}, Name: "{{email}}"},
		claims.TrustRule{Conditions: []claims.TrustCondition{is("sub", "glob", "repo:*:ref:*/main")}, Name: "{{sub}}"},
	)
	for name, c := range map[string]struct {
		said map[string]any
		user string // empty: no rule
		tags []string
		life time.Duration
	}{
		"first rule":            {map[string]any{"repository": "acme/shop", "ref": "refs/heads/main", "environment": "eu"}, "deploy", []string{"repo:acme/shop", "env:eu"}, time.Minute},
		"tag without a claim":   {map[string]any{"repository": "acme/shop", "ref": "refs/heads/main"}, "deploy", []string{"repo:acme/shop"}, time.Minute},
		"one condition missing": {map[string]any{"repository": "acme/shop", "ref": "refs/heads/dev"}, "", nil, 0},
		"prefix of another":     {map[string]any{"repository": "acme-evil/shop", "ref": "refs/heads/main"}, "", nil, 0},
		"within objects":        {map[string]any{"kubernetes.io": map[string]any{"namespace": "shop", "pod": map[string]any{"name": "web-1"}}}, "pod-web-1", nil, time.Hour},
		"name without a claim":  {map[string]any{"kubernetes.io": map[string]any{"namespace": "shop"}}, "", nil, 0},
		"one of a list":         {map[string]any{"groups": []string{"staff", "admins"}, "email": "ann_9"}, "ann_9", nil, time.Hour},
		"none of a list":        {map[string]any{"groups": []string{"staff"}, "email": "ann_9"}, "", nil, 0},
		"glob":                  {map[string]any{"sub": "repo:x:ref:y/main"}, "repo-x-ref-y-main-a98c0e0b1d5e8d7c", nil, time.Hour},
		"glob that ends early":  {map[string]any{"sub": "repo:x:ref:y/main2"}, "", nil, 0},
	} {
		got, err := s.issuers.Read(s.account, s.token(func(said map[string]any) {
			for k, v := range c.said {
				said[k] = v
			}
		}), s.now)
		if (err == nil) != (c.user != "") || err != nil && !errors.Is(err, claims.ErrTokenRule) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			continue
		}
		sameName := got.Name == c.user || name == "glob" && strings.HasPrefix(got.Name, c.user[:len(c.user)-16])
		if life := got.Expires.Sub(s.now); !sameName || !slices.Equal(got.Tags, c.tags) || life != c.life {
			t.Errorf("%s: %q %v for %s, want %q %v for %s", name, got.Name, got.Tags, life, c.user, c.tags, c.life)
		}
		if claims.ValidateUserName(got.Name) != nil {
			t.Errorf("%s: %q is no user's name", name, got.Name)
		}
	}
}

// However the texts are chosen, no two make one name, or one tag.
func FuzzTokensOfDifferentSubjectsMakeDifferentUsers(f *testing.F) {
	f.Add("a/b", "a-b")
	f.Add("a/b", "a-b-c14cddc033f64b9d")
	f.Add("Ann", "ann")
	f.Add(strings.Repeat("x", 70), strings.Repeat("x", 71))
	p := newIDP(&testing.T{}, "https://idp.example.org")
	role := must(must(claims.NewAccountSeed()).AccountKey())
	page := must(claims.EncodeTrustPage(claims.Trust{Issuers: []claims.TrustedIssuer{{URL: p.url, Audiences: []string{"nats"}, Keys: p.set("ed"), Rules: []claims.TrustRule{
		{Role: role, Name: "{{sub}}", Tags: []string{"sub:{{sub}}"}},
	}}}}))
	f.Fuzz(func(t *testing.T, one, other string) {
		p.t = t
		read := func(sub string) (claims.IdentityToken, bool) {
			now := time.Now()
			got, err := page.Issuers().Read(role, p.sign("ed", jose.EdDSA, map[string]any{"iss": p.url, "aud": "nats", "sub": sub, "exp": now.Add(time.Minute).Unix()}), now)
			return got, err == nil
		}
		a, aOK := read(one)
		b, bOK := read(other)
		if !aOK || !bOK || a.Subject == b.Subject {
			return
		}
		if a.Name == b.Name || a.User == b.User || len(a.Tags) > 0 && slices.Equal(a.Tags, b.Tags) {
			t.Errorf("%q and %q are both %+v", one, other, fmt.Sprint(a))
		}
		if err := claims.ValidateUserName(a.Name); err != nil {
			t.Errorf("%q makes %q: %v", one, a.Name, err)
		}
	})
}
