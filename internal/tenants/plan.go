package tenants

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// Plan is one version of what a tenant can buy. Its terms never change: an edit
// makes the next version, and tenants stay on theirs until they are moved.
type Plan struct {
	ID        PlanID // the same for all versions
	Version   int64
	VersionID PlanID // of this version alone
	PlanSpec
	IsDefault bool // who signs up is put on it
	IsNewest  bool
	CreatedBy string
	CreatedAt time.Time
}

// PlanSpec are a plan's terms. Counts and limits of -1 are unlimited.
type PlanSpec struct {
	Name          string // unique among plans
	MaxAccounts   int64
	MaxRoles      int64 // per account
	MaxUsers      int64 // per account
	MaxMembers    int64
	AccountLimits claims.Limits // the most one account may have, and what it has unless it asks for less
	TenantLimits  TenantLimits
	// ConnectionTypes are how clients of the tenant's accounts may connect; empty: all ways.
	ConnectionTypes           []claims.ConnectionType
	MaxCredentialLifetime     time.Duration // 0: credentials need not expire
	DefaultCredentialLifetime time.Duration // of a credential that nobody chose one for; 0: as long as it may
}

// TenantLimits bound what all of a tenant's accounts have together. The JSON
// is how they are stored.
type TenantLimits struct {
	Connections int64 `json:"connections"`
	LeafNodes   int64 `json:"leaf_nodes"`
	MemoryBytes int64 `json:"memory_bytes"` // of JetStream, as the two that follow
	DiskBytes   int64 `json:"disk_bytes"`
	Streams     int64 `json:"streams"`
}

// OfferedPlan is a version of a plan with how many tenants are on it.
type OfferedPlan struct {
	Plan
	Tenants int64
}

// PlanUse is a tenant's plan with how much of it is in use.
type PlanUse struct {
	Plan
	Accounts int64
	Members  int64
	InForce  TenantLimits `db:"-"` // what all accounts have together
	OverPlan []OverPlan   `db:"-"` // at most 100
}

// UnlimitedTenant bounds nothing.
func UnlimitedTenant() TenantLimits {
	return TenantLimits{Connections: claims.Unlimited, LeafNodes: claims.Unlimited, MemoryBytes: claims.Unlimited, DiskBytes: claims.Unlimited, Streams: claims.Unlimited}
}

func (s PlanSpec) validate() error {
	errs := []error{
		fault.At("/name", claims.ValidateName(s.Name)),
		validateMaximum("/max_accounts", s.MaxAccounts),
		validateMaximum("/max_roles", s.MaxRoles),
		validateMaximum("/max_users", s.MaxUsers),
		validateMaximum("/max_members", s.MaxMembers),
		validateMaximum("/tenant_limits/connections", s.TenantLimits.Connections),
		validateMaximum("/tenant_limits/leaf_nodes", s.TenantLimits.LeafNodes),
		validateMaximum("/tenant_limits/jetstream/memory_bytes", s.TenantLimits.MemoryBytes),
		validateMaximum("/tenant_limits/jetstream/disk_bytes", s.TenantLimits.DiskBytes),
		validateMaximum("/tenant_limits/jetstream/streams", s.TenantLimits.Streams),
		validateLifetime("/max_credential_lifetime", s.MaxCredentialLifetime),
		validateLifetime("/default_credential_lifetime", s.DefaultCredentialLifetime),
	}
	for _, e := range fault.All(s.AccountLimits.Validate()) {
		errs = append(errs, fault.Field("/account_limits"+e.Pointer, "%s", e.Message))
	}
	for i, t := range s.ConnectionTypes {
		if !slices.Contains(claims.ConnectionTypes, t) {
			errs = append(errs, fault.Field(fmt.Sprintf("/connection_types/%d", i), "there is no connection type %q", t))
		}
	}
	if s.MaxCredentialLifetime > 0 && s.DefaultCredentialLifetime > s.MaxCredentialLifetime {
		errs = append(errs, fault.Field("/default_credential_lifetime", "must not be longer than max_credential_lifetime, %s", s.MaxCredentialLifetime))
	}
	return errors.Join(errs...)
}

func validateMaximum(pointer string, n int64) error {
	if n < claims.Unlimited {
		return fault.Field(pointer, "-1 for unlimited, 0 for none, or a positive number")
	}
	return nil
}

// room refuses one more of what there is a plan's maximum of.
func (p Plan) room(count, maximum int64, of string) error {
	if maximum >= 0 && count >= maximum {
		return fault.New(fault.OverLimit, "the plan %s allows %d %s, and there are as many", p.Name, maximum, of)
	}
	return nil
}

// allows refuses every limit of an account that is greater than the plan's.
func (p Plan) allows(l claims.Limits) error {
	var errs []error
	for _, e := range fault.All(l.Beyond(p.AccountLimits)) {
		errs = append(errs, fault.Field("/limits"+e.Pointer, "by the plan %s it %s", p.Name, e.Message))
	}
	return errors.Join(errs...)
}

// allowsTypes refuses connection types of an account that the plan does not have.
func (p Plan) allowsTypes(types []claims.ConnectionType) error {
	return typesWithin(types, p.ConnectionTypes, "the plan "+p.Name)
}

func newestAlready(p Plan) error {
	return fault.New(fault.Conflict, "version %d is the newest of the plan %s: there is nothing to move its tenants to", p.Version, p.Name)
}

// atPlan says of a plan in a body which field names none.
func atPlan(err error) error {
	if !errors.Is(err, fault.NotFound) {
		return err
	}
	return fault.Field("/plan_id", "there is no such plan, or no such version of it")
}
