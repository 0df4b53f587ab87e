package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// Tenant is a customer.
type Tenant struct {
	ID TenantID
	TenantSpec
	PlanID      PlanID
	PlanName    string
	PlanVersion int64
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// TenantSpec is what people choose about a tenant.
type TenantSpec struct {
	Name string
}

func (s TenantSpec) validate() error { return fault.At("/name", claims.ValidateName(s.Name)) }

// Member is a person in a tenant.
type Member struct {
	TenantID  TenantID
	PersonID  PersonID
	Email     string
	Role      MemberRole
	CreatedAt time.Time
}

// AuditEvent says who did what to which resource.
type AuditEvent struct {
	ID        AuditEventID
	Actor     string
	Action    string // an operationId
	Target    string
	Reason    string // if one was given
	CreatedAt time.Time
}
