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
	RoleSpec
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// RoleSpec is what people choose about a role.
type RoleSpec struct {
	Name        string // unique in the account
	Description string // at most 512 characters
	Template    claims.Template
}

func (s RoleSpec) validate() error {
	return errors.Join(
		fault.At("/name", claims.ValidateName(s.Name)),
		fault.At("/description", claims.ValidateDescription(s.Description)),
		s.Template.Validate(),
	)
}

// equal compares templates as they are stored, where a missing list and an
// empty one are the same.
func (s RoleSpec) equal(other RoleSpec) bool {
	return s.Name == other.Name && s.Description == other.Description && bytes.Equal(s.stored(), other.stored())
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
	t.ConnectionTypes, t.SourceNetworks = slices.Clone(t.ConnectionTypes), slices.Clone(t.SourceNetworks)
	if t.Responses != nil {
		responses := *t.Responses
		t.Responses = &responses
	}
	return s
}

func clonePermission(p claims.Permission) claims.Permission {
	return claims.Permission{Allow: slices.Clone(p.Allow), Deny: slices.Clone(p.Deny)}
}
