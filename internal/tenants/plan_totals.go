package tenants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// share is what an account asks for, as far as its plan has a say in it.
type share struct {
	ID              AccountID
	Name            string
	Limits          claims.Limits
	EffectiveLimits claims.Limits
	Settings        AccountSettings
}

// OverPlan is an account that has less than its settings say, because the plan
// does not give it more.
type OverPlan struct {
	AccountID AccountID
	Name      string
	Fields    []string // pointers into the account
}

// total is what an account's limits add to its tenant's: the tiers' together.
func total(l claims.Limits) TenantLimits {
	return TenantLimits{
		Connections: l.Connections, LeafNodes: l.LeafNodes,
		MemoryBytes: sum(l.JetStream.MemoryBytes, sum(l.Tiers.R1.MemoryBytes, l.Tiers.R3.MemoryBytes)),
		DiskBytes:   sum(l.JetStream.DiskBytes, sum(l.Tiers.R1.DiskBytes, l.Tiers.R3.DiskBytes)),
		Streams:     sum(l.JetStream.Streams, sum(l.Tiers.R1.Streams, l.Tiers.R3.Streams)),
	}
}

func sum(a, b int64) int64 {
	if a == claims.Unlimited || b == claims.Unlimited || a > 1<<62-b {
		return claims.Unlimited
	}
	return a + b
}

// plus adds limits up.
func (l TenantLimits) plus(other TenantLimits) TenantLimits {
	for i, f := range l.fields() {
		*f.n = sum(*f.n, *other.fields()[i].n)
	}
	return l
}

// less is what is left of the limits when that much is taken: never below 0.
func (l TenantLimits) less(taken TenantLimits) TenantLimits {
	for i, f := range l.fields() {
		n := *taken.fields()[i].n
		switch {
		case *f.n == claims.Unlimited:
		case n == claims.Unlimited:
			*f.n = 0
		default:
			*f.n = max(0, *f.n-n)
		}
	}
	return l
}

// times is that many accounts' worth of the limits.
func (l TenantLimits) times(n int64) TenantLimits {
	for _, f := range l.fields() {
		if *f.n > 1<<62/max(n, 1) {
			*f.n = claims.Unlimited
		}
		if *f.n != claims.Unlimited {
			*f.n *= n
		}
	}
	return l
}

type tenantLimit struct {
	pointer, what string
	n             *int64
}

func (l *TenantLimits) fields() []tenantLimit {
	return []tenantLimit{
		{"/connections", "connections", &l.Connections},
		{"/leaf_nodes", "leaf nodes", &l.LeafNodes},
		{"/jetstream/memory_bytes", "bytes of memory", &l.MemoryBytes},
		{"/jetstream/disk_bytes", "bytes of disk", &l.DiskBytes},
		{"/jetstream/streams", "streams", &l.Streams},
	}
}

// bound is the limits as a bound of an account's. Without streams there is no
// storage either: to a server, 0 streams would be any number.
func (l TenantLimits) bound() claims.Limits {
	most := claims.UnlimitedLimits()
	most.Connections, most.LeafNodes = l.Connections, l.LeafNodes
	most.JetStream.MemoryBytes, most.JetStream.DiskBytes, most.JetStream.Streams = l.MemoryBytes, l.DiskBytes, l.Streams
	if l.Streams == 0 {
		most.JetStream.MemoryBytes, most.JetStream.DiskBytes = 0, 0
	}
	return most
}

// gives is what the plan gives an account that asks for these limits, when so
// much is left of what the tenant's accounts have together.
func (p Plan) gives(asked claims.Limits, left TenantLimits) claims.Limits {
	return asked.Within(p.AccountLimits).Within(left.bound())
}

// asked is what some accounts ask for, each of them.
type asked struct {
	Limits   claims.Limits
	Accounts int64
}

// left is what the accounts leave of what they may have together. In which order
// they come is all the same: either they get what they ask for, or nothing is left.
func (p Plan) left(by []asked) TenantLimits {
	left := p.TenantLimits
	for _, a := range by {
		left = left.less(total(a.Limits.Within(p.AccountLimits)).times(a.Accounts))
	}
	return left
}

// leftBy is left, of the tenant's accounts before that one: the older is given first.
func (p Plan) leftBy(ctx context.Context, q querier, tenant TenantID, before AccountID) (TenantLimits, error) {
	return p.leftOf(ctx, q, tenant, before, "")
}

// leftFor is left, of all the tenant's accounts but that one.
func (p Plan) leftFor(ctx context.Context, q querier, tenant TenantID, but AccountID) (TenantLimits, error) {
	return p.leftOf(ctx, q, tenant, "", but)
}

func (p Plan) leftOf(ctx context.Context, q querier, tenant TenantID, before, but AccountID) (TenantLimits, error) {
	if p.TenantLimits == UnlimitedTenant() {
		return p.TenantLimits, nil
	}
	by, err := askedOf(ctx, q, tenant, before, but)
	return p.left(by), err
}

// fits refuses an account that asks for more than is left for it of what the
// tenant's accounts may have together; less than it asked for before is always
// allowed.
func (p Plan) fits(before, asked claims.Limits, left TenantLimits) error {
	var errs []error
	had, wants, most := total(before), total(asked), p.TenantLimits
	for i, f := range left.fields() {
		was, n := *had.fields()[i].n, *wants.fields()[i].n
		fitting := *f.n == claims.Unlimited || n != claims.Unlimited && n <= *f.n
		lower := was == claims.Unlimited || n != claims.Unlimited && n <= was
		if fitting || lower {
			continue
		}
		errs = append(errs, &fault.Error{Kind: fault.OverLimit, Pointer: "/limits" + f.pointer,
			Message: fmt.Sprintf("the plan %s allows %d %s for all accounts together, and %d are left", p.Name, *most.fields()[i].n, f.what, *f.n)})
	}
	return errors.Join(errs...)
}

// checkFit is fits for an account, or one that is about to be made. The plan is locked.
func (p Plan) checkFit(ctx context.Context, tx pgx.Tx, tenant TenantID, id AccountID, before, asked claims.Limits) error {
	left, err := p.leftFor(ctx, tx, tenant, id)
	if err != nil {
		return err
	}
	return p.fits(before, asked, left)
}

// overPlan are the accounts that ask for more than the plan gives them, and what
// all of them have.
func (p Plan) overPlan(accounts []share) (over []OverPlan, has TenantLimits) {
	left := p.TenantLimits
	for _, a := range accounts {
		given := p.gives(a.Limits, left)
		left, has = left.less(total(given)), has.plus(total(given))
		var fields []string
		for _, e := range fault.All(a.Limits.Beyond(given)) {
			fields = append(fields, "/limits"+e.Pointer)
		}
		for _, e := range fault.All(p.allowsTypes(a.Settings.ConnectionTypes)) {
			fields = append(fields, e.Pointer)
		}
		if len(fields) > 0 {
			over = append(over, OverPlan{AccountID: a.ID, Name: a.Name, Fields: fields})
		}
	}
	return over, has
}

// wholePlanUse is planUse with what accounts have of the plan, and have not.
func wholePlanUse(ctx context.Context, q querier, tenant TenantID) (PlanUse, error) {
	use, err := planUse(ctx, q, tenant)
	if err != nil {
		return PlanUse{}, err
	}
	accounts, err := sharesOf(ctx, q, tenant, "")
	if err != nil {
		return PlanUse{}, err
	}
	use.OverPlan, use.InForce = use.overPlan(accounts)
	use.OverPlan = use.OverPlan[:min(len(use.OverPlan), maxOverPlan)]
	return use, nil
}

const maxOverPlan = 100

// settle has the tenant's accounts signed anew after tx, if one has less than it
// would have without the others: what this one gives up goes to those. It reports whether it does.
func (s *Service) settle(ctx context.Context, tx pgx.Tx, by string, plan Plan, account Account, now time.Time) (bool, error) {
	if plan.TenantLimits == UnlimitedTenant() {
		return false, nil
	}
	others, err := sharesOf(ctx, tx, account.TenantID, account.ID)
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(others, func(a share) bool { return a.EffectiveLimits != a.Limits.Within(plan.AccountLimits) }) {
		return false, nil
	}
	_, err = s.announceTenant(ctx, tx, by, account.TenantID, now)
	return err == nil, err
}
