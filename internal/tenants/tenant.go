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
	for _, limit := range []struct {
		pointer      string
		wanted, most int64
	}{
		{"/connections", l.Connections, p.AccountLimits.Connections},
		{"/leaf_nodes", l.LeafNodes, p.AccountLimits.LeafNodes},
		{"/subscriptions", l.Subscriptions, p.AccountLimits.Subscriptions},
		{"/payload_bytes", l.PayloadBytes, p.AccountLimits.PayloadBytes},
		{"/data_bytes", l.DataBytes, p.AccountLimits.DataBytes},
		{"/exports", l.Exports, p.AccountLimits.Exports},
		{"/imports", l.Imports, p.AccountLimits.Imports},
		{"/jetstream/memory_bytes", l.JetStream.MemoryBytes, p.AccountLimits.JetStream.MemoryBytes},
		{"/jetstream/disk_bytes", l.JetStream.DiskBytes, p.AccountLimits.JetStream.DiskBytes},
		{"/jetstream/streams", l.JetStream.Streams, p.AccountLimits.JetStream.Streams},
		{"/jetstream/consumers", l.JetStream.Consumers, p.AccountLimits.JetStream.Consumers},
	} {
		unlimited := limit.wanted == claims.Unlimited
		if limit.most != claims.Unlimited && (unlimited || limit.wanted > limit.most) {
			errs = append(errs, fault.Field("/limits"+limit.pointer, "the plan %s allows %d at most", p.Name, limit.most))
		}
	}
	return errors.Join(errs...)
}
