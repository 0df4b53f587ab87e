package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
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
