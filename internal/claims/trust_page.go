package claims

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Trust is whose word an account takes beside its roles': authorities, for the
// certificates of clients, and issuers of OpenID Connect's tokens.
type Trust struct {
	Authorities [][]byte        `json:"authorities,omitempty"` // certificates in DER
	Issuers     []TrustedIssuer `json:"issuers,omitempty"`
}

// TrustedIssuer is an issuer of tokens, with the keys that it signs them with.
type TrustedIssuer struct {
	URL       string          `json:"url"`       // as the tokens' iss has it
	Audiences []string        `json:"audiences"` // of which a token's aud needs one
	Keys      json.RawMessage `json:"keys"`      // a JWK set (RFC 7517): public ones
	Rules     []TrustRule     `json:"rules"`     // the first whose conditions all hold counts
}

// TrustRule says whom an issuer's token stands for.
type TrustRule struct {
	Conditions      []TrustCondition `json:"conditions"`
	Role            AccountKey       `json:"role"`
	Name            string           `json:"name"`                       // of the user: a template such as ci-{{sub}}
	Tags            []string         `json:"tags,omitempty"`             // of the user: templates likewise
	LifetimeSeconds int64            `json:"lifetime_seconds,omitempty"` // that a login lasts at most; 0: as long as the token
}

// TrustCondition is what a claim of a token has to be.
type TrustCondition struct {
	Claim string `json:"claim"` // its name; a dot leads into an object
	Match string `json:"match"` // exact, prefix or glob
	Value string `json:"value"`
}

// TrustPage holds an account's [Trust]: a [Page], of which an account has one at
// most. Its bytes are the JSON. The zero page trusts nobody.
type TrustPage struct {
	content
	trust       Trust
	authorities []*x509.Certificate
	issuers     Issuers
}

// Limits of a trust page.
const (
	MaxTrustPageBytes = 256 << 10
	MaxAuthorities    = 16
	MaxIssuers        = 16
	MaxTrustRules     = 64 // of an issuer
)

// EncodeTrustPage makes the page of what an account trusts. What is wrong is a
// fault at /authorities/0 and the like; a page that would be too long is fault.OverLimit.
func EncodeTrustPage(t Trust) (TrustPage, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return TrustPage{}, &fault.Error{Kind: fault.Invalid, Message: "what the account trusts cannot be written", Cause: err}
	}
	if len(text) > MaxTrustPageBytes {
		return TrustPage{}, fault.New(fault.OverLimit, "what the account trusts would have %d bytes; %d at most", len(text), MaxTrustPageBytes)
	}
	page, err := DecodeTrustPage(text)
	return page, wrap("encode a trust page", err)
}

// DecodeTrustPage reads a page's bytes, which must not change afterwards. What is
// no page, one with fields that this version does not know included, is
// fault.Invalid: what is not understood must not make anybody trusted.
func DecodeTrustPage(b []byte) (TrustPage, error) {
	if len(b) > MaxTrustPageBytes {
		return TrustPage{}, fault.New(fault.Invalid, "%d bytes are no trust page, which has up to %d", len(b), MaxTrustPageBytes)
	}
	p := TrustPage{content: contentOf(TrustKind, b)}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p.trust); err != nil {
		return TrustPage{}, &fault.Error{Kind: fault.Invalid, Message: "the trust page cannot be read", Cause: err}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return TrustPage{}, fault.New(fault.Invalid, "there is more than a trust page")
	}
	// One trust makes one page: so control need not look what it wrote last.
	if again, err := json.Marshal(p.trust); err != nil || !bytes.Equal(again, b) {
		return TrustPage{}, fault.New(fault.Invalid, "the trust page is not written as it should be")
	}
	if err := p.read(); err != nil {
		return TrustPage{}, err
	}
	return p, nil
}

func (p *TrustPage) read() error {
	if len(p.trust.Authorities)+len(p.trust.Issuers) == 0 {
		return fault.New(fault.Invalid, "a trust page that trusts nobody is none")
	}
	if len(p.trust.Authorities) > MaxAuthorities {
		return fault.Field("/authorities", "%d authorities at most", MaxAuthorities)
	}
	if len(p.trust.Issuers) > MaxIssuers {
		return fault.Field("/issuers", "%d issuers at most", MaxIssuers)
	}
	for i, der := range p.trust.Authorities {
		c, err := x509.ParseCertificate(der)
		if err != nil || !c.IsCA {
			return fault.Field(fmt.Sprintf("/authorities/%d", i), "this is not an authority's certificate")
		}
		p.authorities = append(p.authorities, c)
	}
	seen := map[string]bool{}
	for i, issuer := range p.trust.Issuers {
		if err := below(fmt.Sprintf("/issuers/%d", i), issuer.validate()); err != nil {
			return err
		}
		if seen[issuer.URL] {
			return fault.Field(fmt.Sprintf("/issuers/%d/url", i), "this issuer is listed twice")
		}
		seen[issuer.URL] = true
	}
	p.issuers = newIssuers(p.trust.Issuers)
	return nil
}

func (i TrustedIssuer) validate() error {
	u, err := url.Parse(i.URL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fault.Field("/url", "an issuer is an https URL")
	case len(i.Audiences) == 0:
		return fault.Field("/audiences", "without an audience tokens for anybody would do")
	case len(i.Rules) == 0 || len(i.Rules) > MaxTrustRules:
		return fault.Field("/rules", "1 to %d rules", MaxTrustRules)
	}
	for n, r := range i.Rules {
		if err := below(fmt.Sprintf("/rules/%d", n), r.validate()); err != nil {
			return err
		}
	}
	return nil
}

func (r TrustRule) validate() error {
	if _, err := ParseAccountKey(string(r.Role)); err != nil {
		return fault.At("/role", err)
	}
	if r.Name == "" {
		return fault.Field("/name", "a rule says what its users are called")
	}
	if len(r.Tags) > MaxTags {
		return fault.Field("/tags", "%d tags at most", MaxTags)
	}
	if r.LifetimeSeconds < 0 {
		return fault.Field("/lifetime_seconds", "not less than 0")
	}
	for n, c := range r.Conditions {
		if c.Claim == "" {
			return fault.Field(fmt.Sprintf("/conditions/%d/claim", n), "a condition is about a claim")
		}
		if c.Match != "exact" && c.Match != "prefix" && c.Match != "glob" {
			return fault.Field(fmt.Sprintf("/conditions/%d/match", n), "exact, prefix or glob")
		}
	}
	return nil
}

// Trust is what the page says. Do not change it.
func (p TrustPage) Trust() Trust { return p.trust }

// Authorities are the certificates of those that the account trusts. Do not change them.
func (p TrustPage) Authorities() []*x509.Certificate { return p.authorities }

// Issuers are those whose tokens the account takes.
func (p TrustPage) Issuers() Issuers { return p.issuers }
