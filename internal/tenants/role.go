package tenants

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// DefaultRole names the role that every account starts with: it may publish
// and subscribe to everything in the account, over every connection type.
const DefaultRole = "default"

// Role is a scoped signing key of an account: a template of permissions,
// limits and connection types that holds, live, for every user in it.
type Role struct {
	ID        RoleID
	TenantID  TenantID
	AccountID AccountID
	PublicKey claims.AccountKey
	Private   bool // one user's own permissions: in no list, named after the user
	RoleSpec
	// MovedCredentials are in use, signed under the role, and their users are in
	// another by now. They end when the role does.
	MovedCredentials int64
	Version          int64
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// RoleSpec is what people choose about a role.
type RoleSpec struct {
	Name        string // unique in the account
	Description string // at most 512 characters
	Template    claims.Template
	// ConnectionsPerUser is how many each user may have at one time; nil: as many
	// as the account.
	ConnectionsPerUser        *int64
	DefaultCredentialLifetime time.Duration // of credentials that nobody chose one for; 0: the plan's
	MaxCredentialLifetime     time.Duration // 0: the plan's
}

func (s RoleSpec) validate() error {
	errs := []error{
		fault.At("/name", claims.ValidateName(s.Name)),
		fault.At("/description", claims.ValidateDescription(s.Description)),
		s.Template.Validate(),
		validateLifetime("/default_credential_lifetime", s.DefaultCredentialLifetime),
		validateLifetime("/max_credential_lifetime", s.MaxCredentialLifetime),
	}
	if s.ConnectionsPerUser != nil && *s.ConnectionsPerUser < 0 {
		errs = append(errs, fault.Field("/limits/connections_per_user", "a limit is -1 for unlimited, 0 for none, or a positive number"))
	}
	if s.MaxCredentialLifetime > 0 && s.DefaultCredentialLifetime > s.MaxCredentialLifetime {
		errs = append(errs, fault.Field("/default_credential_lifetime", "this is longer than the role's max_credential_lifetime"))
	}
	return errors.Join(errs...)
}

// maxLifetime keeps an expiry that is counted from now within what a JWT can say.
const maxLifetime = 100 * 365 * 24 * time.Hour

func validateLifetime(pointer string, d time.Duration) error {
	if d != 0 && (d < time.Minute || d > maxLifetime) {
		return fault.Field(pointer, "a lifetime is one minute at least and 100 years at most")
	}
	return nil
}

// equal compares templates as they are stored, where a missing list and an
// empty one are the same.
func (s RoleSpec) equal(other RoleSpec) bool {
	return s.Name == other.Name && s.Description == other.Description && bytes.Equal(s.stored(), other.stored()) &&
		sameNumber(s.ConnectionsPerUser, other.ConnectionsPerUser) &&
		s.DefaultCredentialLifetime == other.DefaultCredentialLifetime && s.MaxCredentialLifetime == other.MaxCredentialLifetime
}

// sameNumber compares two numbers that may be left out.
func sameNumber(a, b *int64) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func (s RoleSpec) stored() []byte {
	b, err := json.Marshal(s.Template)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

// clone copies what an edit could change in place.
func (s RoleSpec) clone() RoleSpec {
	t := &s.Template
	t.Publish, t.Subscribe = clonePermission(t.Publish), clonePermission(t.Subscribe)
	t.ConnectionTypes, t.SourceNetworks, t.Times = slices.Clone(t.ConnectionTypes), slices.Clone(t.SourceNetworks), slices.Clone(t.Times)
	if t.Responses != nil {
		responses := *t.Responses
		t.Responses = &responses
	}
	return s
}

func clonePermission(p claims.Permission) claims.Permission {
	return claims.Permission{Allow: slices.Clone(p.Allow), Deny: slices.Clone(p.Deny)}
}
