package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Tenant is a customer.
type Tenant struct {
	ID TenantID
	TenantSpec
	PlanID    PlanID
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// TenantSpec is what people choose about a tenant.
type TenantSpec struct {
	Name string
}

// Member is a person in a tenant.
type Member struct {
	TenantID  TenantID
	PersonID  PersonID
	Email     string
	Role      MemberRole
	CreatedAt time.Time
}

// Plan is what a tenant bought. Counts of -1 are unlimited.
type Plan struct {
	ID            PlanID
	Name          string
	MaxAccounts   int64
	MaxRoles      int64         // per account
	MaxUsers      int64         // per account
	AccountLimits claims.Limits // the most one account may have, and what it has unless it asks for less
}

// PlanUse is a plan with how much of it is in use.
type PlanUse struct {
	Plan
	Accounts int64
}

// AuditEvent says who did what to which resource.
type AuditEvent struct {
	ID        AuditEventID
	Actor     string
	Action    string // an operationId
	Target    string
	CreatedAt time.Time
}
