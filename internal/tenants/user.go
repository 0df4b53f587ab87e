package tenants

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// User is a named NATS identity in an account, in one role. It holds no key
// itself: its credentials do. When it is moved to another role, or its tags
// change, that holds for the credentials it has as well.
type User struct {
	ID                UserID
	TenantID          TenantID
	AccountID         AccountID
	RoleID            RoleID
	RoleName          string
	Own               *claims.Template // of its role, if that is the user's alone
	Name              string           // unique in the account, and never another
	Tags              []string
	Connections       *int64 // at one time; -1 is unlimited, nil: its role's
	ActiveCredentials int64  // neither revoked nor expired
	// MovedCredentials of those were issued when it was in another role or had
	// other tags. Brokers go by what the user is now; unmodified servers cannot
	// know, and refuse them.
	MovedCredentials int64
	Version          int64
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// Permissions are what a user may do that is in no role with others.
type Permissions struct {
	Publish   claims.Permission
	Subscribe claims.Permission
	Responses *claims.ResponsePermission
}

// UserSpec is what people choose about a user. An empty RoleID means the role named [DefaultRole].
type UserSpec struct {
	Name        string
	RoleID      RoleID
	Permissions *Permissions // its own, instead of a role's; nil: none
	Tags        []string
	Connections *int64 // as in [User]
}

// maxUserTags bounds what one user adds to its account's JWT.
const maxUserTags = 32

func (s UserSpec) validate() error {
	errs := []error{fault.At("/name", claims.ValidateUserName(s.Name)), validateTags(s.Tags)}
	if s.Connections != nil && *s.Connections < claims.Unlimited {
		errs = append(errs, fault.Field("/connections", "a limit is -1 for unlimited, 0 for none, or a positive number"))
	}
	if s.Permissions != nil {
		errs = append(errs, s.Permissions.in(claims.OpenTemplate()).Validate())
	}
	return errors.Join(errs...)
}

func validateTags(tags []string) error {
	if len(tags) > maxUserTags {
		return fault.Field("/tags", "%d tags at most", maxUserTags)
	}
	var errs []error
	for i, tag := range tags {
		pointer := fmt.Sprintf("/tags/%d", i)
		errs = append(errs, fault.At(pointer, claims.ValidateTag(tag)))
		if slices.Contains(tags[:i], tag) {
			errs = append(errs, fault.Field(pointer, "this tag is listed twice"))
		}
	}
	return errors.Join(errs...)
}

// in is the template with these permissions, and all else as it is.
func (p Permissions) in(t claims.Template) claims.Template {
	t.Publish, t.Subscribe, t.Responses = p.Publish, p.Subscribe, p.Responses
	return t
}

// Spec is what people chose about the user.
func (u User) Spec() UserSpec {
	s := UserSpec{Name: u.Name, RoleID: u.RoleID, Tags: u.Tags, Connections: u.Connections}
	if u.Own != nil {
		s.Permissions = &Permissions{Publish: u.Own.Publish, Subscribe: u.Own.Subscribe, Responses: u.Own.Responses}
	}
	return s.clone()
}

func (s UserSpec) clone() UserSpec {
	s.Tags = slices.Clone(s.Tags)
	if s.Permissions != nil {
		p := *s.Permissions
		t := RoleSpec{Template: p.in(claims.Template{})}.clone().Template
		s.Permissions = &Permissions{Publish: t.Publish, Subscribe: t.Subscribe, Responses: t.Responses}
	}
	return s
}

// equal compares lists as they are stored, where a missing one and an empty one are the same.
func (s UserSpec) equal(other UserSpec) bool {
	return s.Name == other.Name && s.RoleID == other.RoleID && slices.Equal(s.Tags, other.Tags) &&
		sameNumber(s.Connections, other.Connections) && s.samePermissions(other)
}

func (s UserSpec) samePermissions(other UserSpec) bool {
	if s.Permissions == nil || other.Permissions == nil {
		return s.Permissions == other.Permissions
	}
	stored := func(p *Permissions) []byte { return RoleSpec{Template: p.in(claims.Template{})}.stored() }
	return bytes.Equal(stored(s.Permissions), stored(other.Permissions))
}

// home is where an edit puts the user: into a role that others may be in, empty
// for the default one, or into one of its own.
func (s UserSpec) home(was UserSpec) (role RoleID, own bool, err error) {
	moved, other := s.RoleID != was.RoleID, !s.samePermissions(was)
	switch {
	case moved && other && s.Permissions != nil:
		return "", false, fault.Field("/permissions", "a user is in a role, or has permissions of its own: send one of the two")
	case moved:
		return s.RoleID, false, nil
	case !other:
		return was.RoleID, was.Permissions != nil, nil
	}
	return "", s.Permissions != nil, nil
}
