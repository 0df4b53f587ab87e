package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// User is a named NATS identity in an account, in one role. It holds no key
// itself: its credentials do.
type User struct {
	ID                UserID
	TenantID          TenantID
	AccountID         AccountID
	RoleID            RoleID
	RoleName          string
	Name              string // unique in the account
	ActiveCredentials int64  // neither revoked nor expired
	Version           int64
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// UserSpec is what people choose about a user. An empty RoleID means the role named [DefaultRole].
type UserSpec struct {
	Name   string
	RoleID RoleID
}

func (s UserSpec) validate() error { return fault.At("/name", claims.ValidateUserName(s.Name)) }
