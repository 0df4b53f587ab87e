package claims_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func fullTrust(t testing.TB) claims.Trust {
	t.Helper()
	return claims.Trust{Issuers: []claims.TrustedIssuer{{
		URL: "https://issuer.example.org", Audiences: []string{"nats"}, Keys: json.RawMessage(`{"keys":[]}`),
		Rules: []claims.TrustRule{{
			Conditions: []claims.TrustCondition{{Claim: "repository", Match: "prefix", Value: "acme/"}},
			Role:       must(fixedSeed(t, nkeys.PrefixByteAccount, 2).AccountKey()), Name: "ci-{{sub}}", Tags: []string{"team:{{team}}"}, LifetimeSeconds: 600,
		}},
	}}}
}

func ca(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }

func TestTrustPageSaysWhatWentIn(t *testing.T) {
	t.Parallel()
	trust := fullTrust(t)
	trust.Authorities = [][]byte{certificate(t, ca).Raw}
	page := must(claims.EncodeTrustPage(trust))
	if diff := cmp.Diff(trust, page.Trust()); diff != "" {
		t.Errorf("(-minted +decoded):\n%s", diff)
	}
	if list := page.Authorities(); len(list) != 1 || !bytes.Equal(list[0].Raw, trust.Authorities[0]) {
		t.Errorf("%d authorities", len(list))
	}
	read := must(claims.DecodePage(page.Name(), page.Bytes()))
	if read.Name() != page.Name() || page.Hash() != claims.HashPage(page.Bytes()) {
		t.Errorf("read as %s", read.Name())
	}
	if none := (claims.TrustPage{}); none.Hash() != "" || len(none.Authorities())+len(none.Trust().Issuers)+len(none.Bytes()) > 0 {
		t.Error("the zero page trusts somebody")
	}
}

func TestTrustThatMakesNoPageIsRefused(t *testing.T) {
	t.Parallel()
	change := func(change func(*claims.Trust)) claims.Trust {
		trust := fullTrust(t)
		change(&trust)
		return trust
	}
	rule := func(change func(*claims.TrustRule)) claims.Trust {
		trust := fullTrust(t)
		change(&trust.Issuers[0].Rules[0])
		return trust
	}
	for pointer, trust := range map[string]claims.Trust{
		"":                                      {},
		"/authorities":                          change(func(t *claims.Trust) { t.Authorities = make([][]byte, 17) }),
		"/authorities/0":                        change(func(x *claims.Trust) { x.Authorities = [][]byte{certificate(t, func(*x509.Certificate) {}).Raw} }),
		"/issuers":                              change(func(t *claims.Trust) { t.Issuers = make([]claims.TrustedIssuer, 17) }),
		"/issuers/0/url":                        change(func(t *claims.Trust) { t.Issuers[0].URL = "issuer" }),
		"/issuers/1/url":                        change(func(t *claims.Trust) { t.Issuers = append(t.Issuers, t.Issuers[0]) }),
		"/issuers/0/audiences":                  change(func(t *claims.Trust) { t.Issuers[0].Audiences = nil }),
		"/issuers/0/rules":                      change(func(t *claims.Trust) { t.Issuers[0].Rules = nil }),
		"/issuers/0/rules/0/role":               rule(func(r *claims.TrustRule) { r.Role = "A" }),
		"/issuers/0/rules/0/name":               rule(func(r *claims.TrustRule) { r.Name = "" }),
		"/issuers/0/rules/0/tags":               rule(func(r *claims.TrustRule) { r.Tags = make([]string, 51) }),
		"/issuers/0/rules/0/lifetime_seconds":   rule(func(r *claims.TrustRule) { r.LifetimeSeconds = -1 }),
		"/issuers/0/rules/0/conditions/0/claim": rule(func(r *claims.TrustRule) { r.Conditions[0].Claim = "" }),
		"/issuers/0/rules/0/conditions/0/match": rule(func(r *claims.TrustRule) { r.Conditions[0].Match = "regexp" }),
	} {
		_, err := claims.EncodeTrustPage(trust)
		if got := pointers(err); len(got) != 1 || got[0] != pointer {
			t.Errorf("pointers = %q, want %q (%v)", got, pointer, err)
		}
	}
	long := change(func(t *claims.Trust) { t.Issuers[0].Audiences[0] = strings.Repeat("x", claims.MaxTrustPageBytes) })
	if _, err := claims.EncodeTrustPage(long); !errors.Is(err, fault.OverLimit) {
		t.Errorf("too long: error = %v, want fault.OverLimit", err)
	}
	good := string(must(claims.EncodeTrustPage(fullTrust(t))).Bytes())
	for name, b := range map[string]string{
		"nothing": "", "two": good + good, "spaces": " " + good, "a field from later": strings.Replace(good, `"match"`, `"negate":true,"match"`, 1),
		"too long": good + strings.Repeat(" ", claims.MaxTrustPageBytes),
	} {
		if _, err := claims.DecodeTrustPage([]byte(b)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want fault.Invalid", name, err)
		}
	}
}

func TestTrustPageIsAsTheGoldenFileHasIt(t *testing.T) {
	t.Parallel()
	compareGolden(t, "trust_page.json", string(must(claims.EncodeTrustPage(fullTrust(t))).Bytes())+"\n")
}

func TestPageOfAnotherNameOrKindIsNone(t *testing.T) {
	t.Parallel()
	logins, revoked, trust := must(claims.EncodeLoginPage(deviceLogins(t, 3))), must(claims.EncodeRevocationPage(revocations(3))), must(claims.EncodeTrustPage(fullTrust(t)))
	all := []claims.Page{logins, revoked, trust}
	for i, page := range all {
		if read, err := claims.DecodePage(page.Name(), page.Bytes()); err != nil || read.Name() != page.Name() {
			t.Errorf("%s: read as %v, %v", page.Name(), read, err)
		}
		for j, other := range all {
			name := page.Name()
			name.Kind = other.Name().Kind
			if _, err := claims.DecodePage(name, page.Bytes()); i != j && !errors.Is(err, fault.Invalid) {
				t.Errorf("a page of %s as one of %s: error = %v, want fault.Invalid", page.Name().Kind, name.Kind, err)
			}
			if _, err := claims.DecodePage(page.Name(), other.Bytes()); i != j && !errors.Is(err, fault.Invalid) {
				t.Errorf("other bytes: error = %v, want fault.Invalid", err)
			}
		}
	}
	if _, err := claims.DecodePage(claims.PageName{Kind: "x", Hash: logins.Hash()}, logins.Bytes()); !errors.Is(err, fault.Invalid) {
		t.Errorf("of no kind: error = %v, want fault.Invalid", err)
	}
	for _, bad := range []string{"", "x-" + string(logins.Hash()), "logins-", "logins-logins-" + string(logins.Hash())} {
		if name, err := claims.ParsePageName(bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q is the name %v, %v", bad, name, err)
		}
	}
	sorted := claims.PagesOf(all...)
	if sorted.Logins.Len() != 3 || len(sorted.Revocations) != 1 || sorted.Trust.Hash() != trust.Hash() {
		t.Errorf("sorted as %+v", sorted)
	}
}

func FuzzTrustPageDecodeAndEncodeIsIdentity(f *testing.F) {
	f.Add(must(claims.EncodeTrustPage(fullTrust(f))).Bytes())
	f.Add([]byte(`{"issuers":[{"url":"http://a","audiences":["b"],"keys":null,"rules":[]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		page, err := claims.DecodeTrustPage(b)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("error = %v, want fault.Invalid", err)
			}
			return
		}
		if again := must(claims.EncodeTrustPage(page.Trust())); again.Hash() != page.Hash() {
			t.Errorf("%s was decoded and encodes to %s", b, again.Bytes())
		}
	})
}
