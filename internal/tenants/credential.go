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
	UserName     string
	RoleID       RoleID     // signed it; empty: a version that did not keep it issued it
	Tags         []string   // the user's, then
	StaleSince   *time.Time // since when its user is in another role, or has other tags
	Name         string
	PublicKey    claims.UserKey
	IssuedBy     string     // an actor's id; empty when it was issued before that was kept
	IssuedAt     time.Time  // its last JWT
	ExpiresAt    *time.Time // when the last of its JWTs does; nil: never
	ExpiringAt   *time.Time // from when on people are warned of that; nil: never
	Renewals     int64
	RenewedAt    *time.Time // last; nil: never
	RevokedAt    *time.Time
	RevokeReason string
	LastSeen     *Sighting // its last login; nil: none yet
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// CredentialSpec is what people choose about a credential. Without ExpiresAt and
// ExpiresIn it lives as long as role and plan have it by default.
type CredentialSpec struct {
	Name      string         // at most 64 characters; what it is for
	ExpiresAt *time.Time     // in the future
	ExpiresIn *time.Duration // from now
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
	JWT        string
	JWTExpires *time.Time // nil: never
	Creds      []byte     // the creds file; nil when the caller keeps the seed
	FileName   string     // such as orders-billing.creds; empty when the caller keeps the seed
	Suspended  bool       // the account is, so it works only when that has been resumed
}

// CredentialStatus says whether a credential can be used.
type CredentialStatus string

const (
	CredentialActive   CredentialStatus = "active"
	CredentialExpiring CredentialStatus = "expiring" // active, and soon to expire
	CredentialExpired  CredentialStatus = "expired"
	CredentialRevoked  CredentialStatus = "revoked"
)

// Status is what the credential is at the time now.
func (c Credential) Status(now time.Time) CredentialStatus {
	switch {
	case c.RevokedAt != nil:
		return CredentialRevoked
	case c.ExpiresAt != nil && !c.ExpiresAt.After(now):
		return CredentialExpired
	case c.ExpiringAt != nil && !c.ExpiringAt.After(now):
		return CredentialExpiring
	}
	return CredentialActive
}

// renewedSinceMove says whether its last JWT is newer than its user's last move,
// which the role and the tags that are kept with it are older than.
func (c Credential) renewedSinceMove() bool {
	return c.StaleSince != nil && c.RenewedAt != nil && c.RenewedAt.After(*c.StaleSince)
}

// CredentialFilter narrows a list of credentials. The zero one lists all.
type CredentialFilter struct {
	Status        CredentialStatus
	ExpiresBefore *time.Time
	User          UserID
}

// maxReasonLength is in characters.
const maxReasonLength = 256

func (s CredentialSpec) validate() error {
	var errs []error
	if s.Name != "" {
		errs = append(errs, fault.At("/name", claims.ValidateName(s.Name)))
	}
	if s.PublicKey != "" {
		_, err := claims.ParseUserKey(string(s.PublicKey))
		errs = append(errs, fault.At("/public_key", err))
	}
	return errors.Join(errs...)
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
