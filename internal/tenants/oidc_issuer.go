package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// OIDCIssuer is an issuer of OpenID Connect whose tokens an account takes: its
// rules say which user such a token stands for.
type OIDCIssuer struct {
	ID        OIDCIssuerID
	TenantID  TenantID
	AccountID AccountID
	OIDCIssuerSpec
	Revoked    []RevokedSubject // whose tokens of then are not taken any more, oldest first
	Keys       json.RawMessage  // its public keys, a JWK set
	FetchedAt  time.Time        // when they were read last
	FetchError string           // why they could not be read since; empty: they could
	Version    int64
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// RevokedSubject is somebody whose tokens were revoked that had been issued by then. Its JSON is how it is stored.
type RevokedSubject struct {
	Subject string    `json:"subject"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
}

// OIDCIssuerSpec is what people choose about an issuer.
type OIDCIssuerSpec struct {
	URL         string // as its tokens have it in iss
	Description string
	Audiences   []string   // of which a token needs one
	Rules       []OIDCRule // the first that fits counts
}

// OIDCRule says whom a token stands for. Its JSON is how it is stored.
type OIDCRule struct {
	Conditions  []claims.TrustCondition `json:"conditions"` // all have to hold
	RoleID      RoleID                  `json:"role_id"`
	Name        string                  `json:"name"` // of the user, such as ci-{{sub}}
	Tags        []string                `json:"tags,omitempty"`
	MaxLifetime time.Duration           `json:"max_lifetime,omitempty"` // of a connection, or of exchanged creds; 0: as long as the token
}

// KeySource reads an issuer's keys. Its errors' words are for the tenant.
type KeySource func(ctx context.Context, issuer string) (json.RawMessage, error)

// Limits of issuers.
const (
	maxOIDCIssuers   = 8 // of an account
	maxAudiences     = 16
	maxConditions    = 16
	maxConditionText = 256
	maxRuleLifetime  = 24 * time.Hour
	maxRevoked       = 256 // subjects of an issuer
	maxSubjectBytes  = 1024
)

func (s OIDCIssuerSpec) validate() error {
	errs := []error{fault.At("/description", claims.ValidateDescription(s.Description))}
	if len(s.Audiences) == 0 || len(s.Audiences) > maxAudiences {
		errs = append(errs, fault.Field("/audiences", "1 to %d audiences: without one, tokens that are meant for somebody else would do", maxAudiences))
	}
	for i, audience := range s.Audiences {
		if audience == "" || len(audience) > maxConditionText {
			errs = append(errs, fault.Field(fmt.Sprintf("/audiences/%d", i), "1 to %d characters", maxConditionText))
		}
	}
	if len(s.Rules) == 0 || len(s.Rules) > claims.MaxTrustRules {
		errs = append(errs, fault.Field("/rules", "1 to %d rules", claims.MaxTrustRules))
	}
	for i, r := range s.Rules {
		for _, e := range fault.All(r.validate()) {
			errs = append(errs, fault.Field(fmt.Sprintf("/rules/%d", i)+e.Pointer, "%s", e.Message))
		}
	}
	return errors.Join(errs...)
}

func (r OIDCRule) validate() error {
	errs := []error{fault.At("/name", claims.ValidateTokenTemplate(r.Name))}
	if len(r.Conditions) == 0 || len(r.Conditions) > maxConditions {
		errs = append(errs, fault.Field("/conditions", "1 to %d conditions: an issuer may have others' tokens, too; to take all of them, ask for sub to match *", maxConditions))
	}
	for i, c := range r.Conditions {
		at := fmt.Sprintf("/conditions/%d", i)
		if c.Claim == "" || len(c.Claim) > maxConditionText {
			errs = append(errs, fault.Field(at+"/claim", "the name of a claim, 1 to %d characters", maxConditionText))
		}
		if !slices.Contains([]string{"exact", "prefix", "glob"}, c.Match) {
			errs = append(errs, fault.Field(at+"/match", "exact, prefix or glob"))
		}
		if c.Value == "" || len(c.Value) > maxConditionText {
			errs = append(errs, fault.Field(at+"/value", "1 to %d characters", maxConditionText))
		}
	}
	if len(r.Tags) > claims.MaxTags {
		errs = append(errs, fault.Field("/tags", "%d tags at most", claims.MaxTags))
	}
	for i, tag := range r.Tags {
		errs = append(errs, fault.At(fmt.Sprintf("/tags/%d", i), claims.ValidateTokenTemplate(tag)))
	}
	if r.MaxLifetime < 0 || r.MaxLifetime > maxRuleLifetime || r.MaxLifetime%time.Second != 0 {
		errs = append(errs, fault.Field("/max_lifetime", "whole seconds, P1D at most"))
	}
	return errors.Join(errs...)
}

func (s OIDCIssuerSpec) equal(other OIDCIssuerSpec) bool {
	a, errA := json.Marshal(s)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && string(a) == string(b)
}

// trusted is what brokers are told of the issuer. A rule whose role is gone lets
// nobody in; without any rule there is no such issuer.
func (i OIDCIssuer) trusted(roles keyedRoles) (claims.TrustedIssuer, bool) {
	t := claims.TrustedIssuer{URL: i.URL, Audiences: i.Audiences, Keys: i.Keys}
	for _, r := range i.Rules {
		if role, ok := roles.byID(r.RoleID); ok {
			t.Rules = append(t.Rules, claims.TrustRule{Conditions: r.Conditions, Role: role.PublicKey, Name: r.Name, Tags: r.Tags,
				LifetimeSeconds: int64(r.MaxLifetime / time.Second)})
		}
	}
	return t, len(t.Rules) > 0
}

// revokedSubjects are those whose tokens the account does not take any more, as its
// JWT revokes them, and until when these were issued.
func revokedSubjects(account claims.AccountKey, issuers []OIDCIssuer) map[claims.UserKey]time.Time {
	revoked := map[claims.UserKey]time.Time{}
	for _, i := range issuers {
		for _, r := range i.Revoked {
			revoked[claims.TokenUser(account, i.URL, r.Subject)] = r.At
		}
	}
	return revoked
}
