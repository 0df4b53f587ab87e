package tenants

import (
	"errors"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
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

func (s TenantSpec) validate() error { return fault.At("/name", claims.ValidateName(s.Name)) }

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
	Reason    string // if one was given
	CreatedAt time.Time
}

// room refuses one more of what there is a plan's maximum of.
func (p Plan) room(count, maximum int64, of string) error {
	if maximum >= 0 && count >= maximum {
		return fault.New(fault.OverLimit, "the plan %s allows %d %s, and there are as many", p.Name, maximum, of)
	}
	return nil
}

// allows refuses every limit that is greater than the plan's, each with a
// pointer into an account.
func (p Plan) allows(l claims.Limits) error {
	var errs []error
	for _, e := range fault.All(l.Beyond(p.AccountLimits)) {
		errs = append(errs, fault.Field("/limits"+e.Pointer, "by the plan %s it %s", p.Name, e.Message))
	}
	return errors.Join(errs...)
}
