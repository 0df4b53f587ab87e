package tenants

import (
	"errors"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// User is a named NATS identity in an account, in one role. It holds no key
// itself: its credentials do. When it is moved to another role, or its tags
// change, that holds for the credentials it has as well.
type User struct {
	ID                 UserID
	TenantID           TenantID
	AccountID          AccountID
	RoleID             RoleID
	RoleName           string
	Own                *claims.Template // of its role, if that is the user's alone
	Name               string           // unique in the account, and never another
	Tags               []string
	Connections        *int64                  // at one time; -1 is unlimited, nil: its role's
	ConnectionTypes    []claims.ConnectionType // of those that its role allows; empty: all of them
	ActiveCredentials  int64                   // neither revoked nor expired
	ActiveDeviceLogins int64                   // likewise
	// MovedCredentials of the credentials were issued when it was in another role or had
	// other tags. Brokers go by what the user is now; unmodified servers cannot
	// know, and refuse them.
	MovedCredentials int64
	Version          int64
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// UserSpec is what people choose about a user. An empty RoleID means the role named [DefaultRole].
type UserSpec struct {
	Name            string
	RoleID          RoleID
	Permissions     *claims.Permissions // its own, instead of a role's; nil: none
	Tags            []string
	Connections     *int64                  // as in [User]
	ConnectionTypes []claims.ConnectionType // as in [User]
}

// shown says whether brokers hear of the user before it has a credential.
func (s UserSpec) shown() bool {
	return s.Permissions != nil || s.Connections != nil || len(s.ConnectionTypes) > 0
}

func (s UserSpec) validate() error {
	errs := []error{fault.At("/name", claims.ValidateUserName(s.Name)), claims.ValidateTags(s.Tags), claims.ValidateConnectionTypes(s.ConnectionTypes)}
	if s.Connections != nil && *s.Connections < claims.Unlimited {
		errs = append(errs, fault.Field("/connections", "a limit is -1 for unlimited, 0 for none, or a positive number"))
	}
	if s.Permissions != nil {
		errs = append(errs, withPermissions(claims.OpenTemplate(), *s.Permissions).Validate())
	}
	return errors.Join(errs...)
}

// withPermissions is the template with these permissions, and all else as it is.
func withPermissions(t claims.Template, p claims.Permissions) claims.Template {
	t.Publish, t.Subscribe, t.Responses = p.Publish, p.Subscribe, p.Responses
	return t
}

// Spec is what people chose about the user.
func (u User) Spec() UserSpec {
	s := UserSpec{Name: u.Name, RoleID: u.RoleID, Tags: u.Tags, Connections: u.Connections, ConnectionTypes: u.ConnectionTypes}
	if u.Own != nil {
		s.Permissions = &claims.Permissions{Publish: u.Own.Publish, Subscribe: u.Own.Subscribe, Responses: u.Own.Responses}
	}
	return s
}

// equal compares lists as they are stored, where a missing one and an empty one are the same.
func (s UserSpec) equal(other UserSpec) bool {
	return s.Name == other.Name && s.RoleID == other.RoleID && slices.Equal(s.Tags, other.Tags) &&
		sameNumber(s.Connections, other.Connections) && slices.Equal(s.ConnectionTypes, other.ConnectionTypes) && s.samePermissions(other)
}

func (s UserSpec) samePermissions(other UserSpec) bool {
	if s.Permissions == nil || other.Permissions == nil {
		return s.Permissions == other.Permissions
	}
	mine := RoleSpec{Template: withPermissions(claims.Template{}, *s.Permissions)}
	return mine.equal(RoleSpec{Template: withPermissions(claims.Template{}, *other.Permissions)})
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
