package tenants

import (
	"cmp"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// Credential is one nkey and user JWT of a user. A user has many, so that
// creds rotate with overlap: issue the second, roll it out, revoke the first.
type Credential struct {
	ID           CredentialID
	TenantID     TenantID
	AccountID    AccountID
	UserID       UserID
	RoleID       RoleID     // signed it; empty: a version that did not keep it issued it
	Tags         []string   // the user's, then
	StaleSince   *time.Time // since when its user is in another role, or has other tags
	Name         string
	PublicKey    claims.UserKey
	IssuedAt     time.Time
	ExpiresAt    *time.Time // nil: never
	RevokedAt    *time.Time
	RevokeReason string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// CredentialSpec is what people choose about a credential.
type CredentialSpec struct {
	Name      string         // at most 64 characters; what it is for
	ExpiresAt *time.Time     // nil: never; otherwise in the future
	PublicKey claims.UserKey // empty: make a key pair; otherwise the caller keeps the seed
}

// Revocation is a credential that was revoked, and what brokers must apply for
// that to be in force.
type Revocation struct {
	Credential
	Change Change
}

// IssuedCredential is a credential with what is shown only once.
type IssuedCredential struct {
	Credential
	JWT      string
	Creds    []byte // the creds file; nil when the caller keeps the seed
	FileName string // such as orders-billing.creds; empty when the caller keeps the seed
}

// Status is "revoked", "expired" or "active" at the time now.
func (c Credential) Status(now time.Time) string {
	switch {
	case c.RevokedAt != nil:
		return "revoked"
	case c.ExpiresAt != nil && !c.ExpiresAt.After(now):
		return "expired"
	}
	return "active"
}

// maxReasonLength is in characters.
const maxReasonLength = 256

func (s CredentialSpec) validate(now time.Time) error {
	var errs []error
	if s.Name != "" {
		errs = append(errs, fault.At("/name", claims.ValidateName(s.Name)))
	}
	if s.ExpiresAt != nil && !s.ExpiresAt.After(now) {
		errs = append(errs, fault.Field("/expires_at", "this is in the past; it must be at least a second from now"))
	}
	if s.PublicKey != "" {
		_, err := claims.ParseUserKey(string(s.PublicKey))
		errs = append(errs, fault.At("/public_key", err))
	}
	return errors.Join(errs...)
}

// wholeSeconds is the expiry as a JWT can say it.
func (s CredentialSpec) wholeSeconds() CredentialSpec {
	if s.ExpiresAt != nil {
		at := s.ExpiresAt.UTC().Truncate(time.Second)
		s.ExpiresAt = &at
	}
	return s
}

func validateReason(reason string) error {
	if utf8.RuneCountInString(reason) > maxReasonLength {
		return fault.Field("/reason", "a reason has %d characters at most", maxReasonLength)
	}
	return fault.At("/reason", claims.ValidateDescription(reason))
}

// credsFileName is a file name that needs no quoting anywhere, whatever people
// have named account and user.
func credsFileName(account, user string) string {
	return safeName(account, "account") + "-" + safeName(user, "user") + ".creds"
}

// safeName keeps ASCII letters, digits and _; fallback is for when nothing is left.
func safeName(name, fallback string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
			return r
		}
		return '-'
	}, name)
	return cmp.Or(strings.Trim(name, "-"), fallback)
}
