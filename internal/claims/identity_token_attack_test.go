package claims_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// raw is a token of any header and payload, signed with RS256 by the issuer's RSA key.
func (p *idp) raw(header, payload string) string {
	p.t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sum := sha256.Sum256([]byte(text))
	signature := must(rsa.SignPKCS1v15(rand.Reader, p.keys["rsa"].Key.(*rsa.PrivateKey), crypto.SHA256, sum[:]))
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// shared is a token whose signature is an HMAC under a text that everybody knows: the issuer's public key.
func (p *idp) shared(kid string, said map[string]any) []string {
	p.t.Helper()
	public := p.keys[kid]
	public = public.Public()
	der := must(x509.MarshalPKIXPublicKey(public.Key))
	var all []string
	for _, secret := range [][]byte{der, must(public.MarshalJSON()), []byte("-----BEGIN PUBLIC KEY-----\n" + base64.StdEncoding.EncodeToString(der) + "\n-----END PUBLIC KEY-----\n")} {
		text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"`+kid+`"}`)) + "." + base64.RawURLEncoding.EncodeToString(must(json.Marshal(said)))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		all = append(all, text+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	}
	return all
}

// What people do to tokens so that they are taken for what they are not.
func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := newTokenScene(t)
	mallory := newIDP(t, s.url)
	end := s.now.Add(time.Hour).Unix()
	said := map[string]any{"iss": s.url, "aud": "nats", "sub": "robot", "exp": end, "iat": s.now.Unix()}
	payload := func(format string, args ...any) string {
		return fmt.Sprintf(`{"iss":%q,"aud":"nats","sub":"robot","iat":%d,`, s.url, s.now.Unix()) + fmt.Sprintf(format, args...) + "}"
	}
	inHeader := func(name string, value any) string { // signed by mallory, whose key comes along
		key := mallory.keys["rsa"]
		signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key.Key}, (&jose.SignerOptions{}).WithHeader("kid", "rsa").WithHeader(jose.HeaderKey(name), value)))
		return must(must(signer.Sign(must(json.Marshal(said)))).CompactSerialize())
	}
	public := mallory.keys["rsa"]
	public = public.Public()
	good := s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":%d`, end))
	parts := strings.Split(good, ".")
	type attempt struct {
		token string
		want  error
	}
	cases := map[string]attempt{
		"as it should be":                      {good, nil},
		"no kid":                               {s.raw(`{"alg":"RS256"}`, payload(`"exp":%d`, end)), nil},
		"key in the header":                    {inHeader("jwk", public), claims.ErrTokenSignature},
		"address of keys in the header":        {inHeader("jku", "https://evil.example.org/keys"), claims.ErrTokenSignature},
		"chain in the header":                  {inHeader("x5u", "https://evil.example.org/chain"), claims.ErrTokenSignature},
		"kid that is a path":                   {s.raw(`{"alg":"RS256","kid":"../../rsa"}`, payload(`"exp":%d`, end)), claims.ErrTokenKey},
		"kid that is no text":                  {s.raw(`{"alg":"RS256","kid":{"rsa":1}}`, payload(`"exp":%d`, end)), claims.ErrTokenMalformed},
		"kid of another key":                   {s.raw(`{"alg":"RS256","kid":"ec"}`, payload(`"exp":%d`, end)), claims.ErrTokenSignature},
		"two algorithms":                       {s.raw(`{"alg":"RS256","alg":"none","kid":"rsa"}`, payload(`"exp":%d`, end)), claims.ErrTokenMalformed},
		"none without a signature":             {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"rsa"}`)) + "." + parts[1] + ".", claims.ErrTokenSignature},
		"None":                                 {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".", claims.ErrTokenMalformed},
		"extension that is critical":           {s.raw(`{"alg":"RS256","kid":"rsa","crit":["exp"],"exp":1}`, payload(`"exp":%d`, end)), claims.ErrTokenSignature},
		"encrypted":                            {good + ".x.y", claims.ErrTokenMalformed},
		"padding":                              {parts[0] + "." + parts[1] + "=." + parts[2], claims.ErrTokenMalformed},
		"a line break":                         {parts[0] + ".\n" + parts[1] + "." + parts[2], claims.ErrTokenMalformed},
		"something after the claims":           {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":%d`, end)+"{}"), claims.ErrTokenIssuer},
		"a list of claims":                     {s.raw(`{"alg":"RS256","kid":"rsa"}`, "["+payload(`"exp":%d`, end)+"]"), claims.ErrTokenIssuer},
		"issuer in other letters, too":         {s.raw(`{"alg":"RS256","kid":"rsa"}`, `{"iss":"https://evil.example.org","ISS":"`+s.url+`","aud":"nats","sub":"robot","exp":`+fmt.Sprint(end)+`}`), claims.ErrTokenMalformed},
		"two issuers, the last another":        {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":%d,"iss":"https://evil.example.org"`, end)), claims.ErrTokenIssuer},
		"two ends, the last over":              {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":%d,"exp":%d`, end, s.now.Unix()-1)), claims.ErrTokenTime},
		"issuer in a list":                     {s.raw(`{"alg":"RS256","kid":"rsa"}`, `{"iss":["`+s.url+`"],"aud":"nats","sub":"robot","exp":`+fmt.Sprint(end)+`}`), claims.ErrTokenIssuer},
		"issuer of look-alike letters":         {s.raw(`{"alg":"RS256","kid":"rsa"}`, strings.Replace(payload(`"exp":%d`, end), "example", "ex\u0430mple", 1)), claims.ErrTokenIssuer},
		"issuer in other case":                 {s.raw(`{"alg":"RS256","kid":"rsa"}`, strings.Replace(payload(`"exp":%d`, end), "idp.", "IDP.", 1)), claims.ErrTokenIssuer},
		"audience in an object":                {s.raw(`{"alg":"RS256","kid":"rsa"}`, strings.Replace(payload(`"exp":%d`, end), `"aud":"nats"`, `"aud":{"nats":true}`, 1)), claims.ErrTokenAudience},
		"audience in a list in a list":         {s.raw(`{"alg":"RS256","kid":"rsa"}`, strings.Replace(payload(`"exp":%d`, end), `"aud":"nats"`, `"aud":[["nats"]]`, 1)), claims.ErrTokenAudience},
		"audience with a space":                {s.raw(`{"alg":"RS256","kid":"rsa"}`, strings.Replace(payload(`"exp":%d`, end), `"aud":"nats"`, `"aud":"nats "`, 1)), claims.ErrTokenAudience},
		"subject that is a number":             {s.raw(`{"alg":"RS256","kid":"rsa"}`, strings.Replace(payload(`"exp":%d`, end), `"robot"`, `7`, 1)), claims.ErrTokenMalformed},
		"end as a text":                        {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":"%d"`, end)), claims.ErrTokenMalformed},
		"end that no number holds":             {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":1e400`)), claims.ErrTokenMalformed},
		"end that no time holds":               {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":1e300`)), claims.ErrTokenMalformed},
		"end before all time":                  {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":-1e300`)), claims.ErrTokenMalformed},
		"end in the year 9999":                 {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":253402300799`)), nil},
		"beginning that no time holds":         {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":%d,"nbf":1e300`, end)), claims.ErrTokenMalformed},
		"beginning that is nothing":            {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":%d,"nbf":null`, end)), claims.ErrTokenMalformed},
		"claims within claims, without an end": {s.raw(`{"alg":"RS256","kid":"rsa"}`, payload(`"exp":%d,"x":`, end)+strings.Repeat("[", 11000)), claims.ErrTokenIssuer},
	}
	for _, kid := range []string{"rsa", "ec", "ed"} {
		for n, token := range s.shared(kid, said) {
			cases[fmt.Sprintf("public key %s as a shared secret, %d", kid, n)] = attempt{token, claims.ErrTokenMalformed}
		}
	}
	for name, c := range cases {
		if got, err := s.issuers.Read(s.account, c.token, s.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v, want %v", name, got, err, c.want)
		}
	}
}

// Keys that are broken, or that cost more to use than a login is worth, verify nothing.
func TestKeysThatAreTooShortOrTooLongVerifyNothing(t *testing.T) {
	t.Parallel()
	key := func(n *big.Int, e int) json.RawMessage {
		return must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "k", Key: &rsa.PublicKey{N: n, E: e}}}}))
	}
	odd := func(bits uint) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return n.SetBit(n, 0, 1)
	}
	for name, c := range map[string]struct {
		set  json.RawMessage
		kept int
	}{
		"2048 bits":             {key(odd(2048), 65537), 1},
		"4096 bits":             {key(odd(4096), 3), 1},
		"1024 bits":             {key(odd(1024), 65537), 0},
		"512 bits":              {key(odd(512), 65537), 0},
		"8192 bits":             {key(odd(8192), 65537), 0},
		"an exponent of a kind": {key(odd(2048), 1<<31-1), 0},
		"shared":                {json.RawMessage(`{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}`), 0},
		"off the curve":         {json.RawMessage(`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}]}`), 0},
	} {
		if keys := claims.ReadKeySet(c.set); len(keys) != c.kept {
			t.Errorf("%s: kept %d", name, len(keys))
		}
	}
	full := newIDP(t, "https://idp.example.org")
	set := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{full.keys["rsa"]}}))
	if keys := claims.ReadKeySet(set); len(keys) != 0 {
		t.Error("kept a private key")
	}
}

// Whoever has a token that was revoked cannot come back with it because it does not say since when it is.
func TestTokenWithoutATimeOfIssueIsAsOldAsCanBe(t *testing.T) {
	t.Parallel()
	s := newTokenScene(t)
	for name, edit := range map[string]func(map[string]any){
		"none":    func(said map[string]any) { delete(said, "iat") },
		"nothing": func(said map[string]any) { said["iat"] = 0 },
	} {
		got, err := s.issuers.Read(s.account, s.token(edit), s.now)
		if err != nil || got.IssuedAt.Unix() != 1 {
			t.Errorf("%s: issued at %s, %v", name, got.IssuedAt, err)
		}
	}
	if got, err := s.issuers.Read(s.account, s.token(nil), s.now); err != nil || !got.IssuedAt.Equal(s.now) {
		t.Errorf("issued at %s, %v", got.IssuedAt, err)
	}
}

// What a claim says cannot be more than a part of a name, or of a tag.
func TestClaimsCannotEscapeWhatTheyAreFilledInto(t *testing.T) {
	t.Parallel()
	s := newTokenScene(t, claims.TrustRule{
		Conditions: []claims.TrustCondition{{Claim: "sub", Match: "glob", Value: "*"}}, Name: "ci-{{sub}}", Tags: []string{"{{sub}}", "repo:{{sub}}"},
	})
	for _, sub := range []string{
		"*", ">", "a.b", "a b", "{{name()}}", "{{tag(x)}}", "{{admin}}", "a\r\nPUB x 1", "signalbox-session:9999999999", "signalbox-rule:00000000000000000000000000000000",
		"signalbox-logins:" + strings.Repeat("0", 64), "$SYS", "\u202egnp", strings.Repeat("x", 300),
	} {
		got, err := s.issuers.Read(s.account, s.token(func(said map[string]any) { said["sub"], said["admin"] = sub, "root" }), s.now)
		if err != nil {
			t.Errorf("%q: %v", sub, err)
			continue
		}
		if err := errors.Join(claims.ValidateUserName(got.Name), claims.ValidateTags(got.Tags)); err != nil {
			t.Errorf("%q: %v", sub, err)
		}
		if strings.ContainsAny(got.Name+strings.Join(got.Tags, ""), " *>{}\r\n") || strings.Contains(got.Name, ".") || strings.Contains(got.Name, "root") {
			t.Errorf("%q makes %q with %q", sub, got.Name, got.Tags)
		}
		if end := claims.SessionEnd(got.Tags); !end.IsZero() {
			t.Errorf("%q makes a session until %s", sub, end)
		}
		if _, ok := claims.RuleOf(got.Tags); ok {
			t.Errorf("%q makes a rule: %q", sub, got.Tags)
		}
	}
}

// A tenant that is its own issuer, and writes the rules, cannot have a broker think for long.
func TestOneTokenCostsLittleWhateverTheRulesAre(t *testing.T) {
	t.Parallel()
	dots := func(n int) string { return strings.TrimSuffix(strings.Repeat("a.", n), ".") }
	deep := map[string]any{} // each beginning of the path leads on, and only the longest to its end
	for range 14 {
		level := map[string]any{"a": deep}
		for n := 2; n < 10; n++ {
			level[dots(n)] = map[string]any{"a": deep["a"], "b": 1}
		}
		if size := len(must(json.Marshal(level))); size > 10000 {
			break
		}
		deep = level
	}
	deep[dots(60)] = map[string]any{"a": "yes"}
	many := []string{}
	for len(many) < 2500 {
		many = append(many, "")
	}
	many = append(many, "yes")
	for name, c := range map[string]struct {
		claim string
		said  map[string]any
		match string
	}{
		"objects in objects": {dots(61), deep, "yes"},
		"many values":        {"a", map[string]any{"a": many}, "yes"},
		"a long value":       {"a", map[string]any{"a": strings.Repeat("ab", 5000)}, strings.Repeat("*ab", 80)},
	} {
		var rules []claims.TrustRule
		for range claims.MaxTrustRules / 2 {
			r := claims.TrustRule{Name: "x"}
			for range 15 {
				r.Conditions = append(r.Conditions, claims.TrustCondition{Claim: c.claim, Match: "glob", Value: c.match})
			}
			r.Conditions = append(r.Conditions, claims.TrustCondition{Claim: "sub", Match: "exact", Value: "nobody"})
			rules = append(rules, r)
		}
		s := newTokenScene(t, rules...)
		token := s.token(func(said map[string]any) { maps.Copy(said, c.said) })
		if len(token) > claims.MaxIdentityTokenBytes {
			t.Fatalf("%s: a token of %d bytes", name, len(token))
		}
		var least time.Duration
		for n := range 5 { // others use the machine as well
			start := time.Now()
			if _, err := s.issuers.Read(s.account, token, s.now); err == nil || !strings.HasPrefix(err.Error(), "the rules of the account take too long") {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); n == 0 || took < least {
				least = took
			}
		}
		t.Logf("%s: %d bytes, %s", name, len(token), least)
		if least > 100*time.Millisecond {
			t.Errorf("%s: %s for a token", name, least)
		}
	}
}
