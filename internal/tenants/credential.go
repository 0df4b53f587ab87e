package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Credential is one nkey and user JWT of a user. A user has many, so that
// creds rotate with overlap: issue the second, roll it out, revoke the first.
type Credential struct {
	ID           CredentialID
	TenantID     TenantID
	AccountID    AccountID
	UserID       UserID
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
