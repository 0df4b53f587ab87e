package tenants

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/postgres"
)

// Found makes a tenant on the default plan that the person owns, with its first
// account, named after it, unless the default operator has none of that. It belongs into the sign-up's own transaction, as
// late as possible: the operator's other changes wait for that to end. The
// person must exist in it. A bad name is Invalid at /name.
func (s *Service) Found(ctx context.Context, tx pgx.Tx, owner PersonID, name string) (Tenant, error) {
	spec := TenantSpec{Name: name}
	if err := spec.validate(); err != nil {
		return Tenant{}, err
	}
	now := s.clock()
	tenant, err := insertTenant(ctx, tx, NewID[TenantID]("ten"), spec, now)
	if err != nil {
		return Tenant{}, err
	}
	if err := addMember(ctx, tx, tenant.ID, owner, Owner, now); err != nil {
		return Tenant{}, err
	}
	if err := insertAudit(ctx, tx, &tenant.ID, string(owner), "signUp", string(tenant.ID), now); err != nil {
		return Tenant{}, err
	}
	operator, err := operatorByDefault(ctx, tx)
	if err != nil || !operator.FirstAccount {
		return tenant, err
	}
	actor := Actor{ID: string(owner), Grants: map[TenantID]MemberRole{tenant.ID: Owner}}
	_, err = s.addAccount(ctx, tx, actor, tenant.ID, NewID[AccountID]("acc"), AccountCreate{Name: name}, now)
	return tenant, err
}

// addMember puts the person into the tenant, if its plan has room for one more.
func addMember(ctx context.Context, tx pgx.Tx, tenant TenantID, person PersonID, role MemberRole, now time.Time) error {
	plan, err := lockPlan(ctx, tx, tenant)
	if err != nil {
		return err
	}
	use, err := planUse(ctx, tx, tenant)
	if err != nil {
		return err
	}
	if err := plan.room(use.Members, plan.MaxMembers, "members"); err != nil {
		return err
	}
	return insertMember(ctx, tx, tenant, person, role, now)
}

// Tenants lists all of the installation's tenants, for staff.
func (s *Service) Tenants(ctx context.Context, actor Actor, q PageQuery) (Page[Tenant], error) {
	if err := actor.requireStaff(); err != nil {
		return Page[Tenant]{}, err
	}
	k, err := q.NamedKeyset()
	if err != nil {
		return Page[Tenant]{}, err
	}
	list, err := allTenants(ctx, s.pool, k)
	return PageOf(k, list, func(t Tenant) (string, string) { return string(t.ID), t.Name }), err
}

// Tenant is one of the actor's tenants.
func (s *Service) Tenant(ctx context.Context, actor Actor, id TenantID) (Tenant, error) {
	return tenantByID(ctx, s.pool, actor, id)
}

// UpdateTenant has edit change a copy of what people chose about the tenant and
// keeps the result, if it is another. It takes an Admin.
func (s *Service) UpdateTenant(ctx context.Context, actor Actor, id TenantID, match string, edit func(*TenantSpec) error) (Tenant, error) {
	if err := actor.Require(id, Admin); err != nil {
		return Tenant{}, err
	}
	var tenant Tenant
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if tenant, err = lockTenant(ctx, tx, actor, id); err != nil {
			return err
		}
		if err := matches(match, tenant.Version); err != nil {
			return err
		}
		spec := tenant.TenantSpec
		if err := edit(&spec); err != nil || spec == tenant.TenantSpec {
			return err
		}
		if err := spec.validate(); err != nil {
			return err
		}
		now := s.clock()
		if tenant, err = updateTenant(ctx, tx, id, spec, now); err != nil {
			return err
		}
		return insertAudit(ctx, tx, &id, actor.ID, "updateTenant", string(id), now)
	})
	return tenant, err
}

// PlanUse is the tenant's plan and how much of it is in use.
func (s *Service) PlanUse(ctx context.Context, actor Actor, id TenantID) (PlanUse, error) {
	if err := actor.Require(id, Viewer); err != nil {
		return PlanUse{}, err
	}
	return wholePlanUse(ctx, s.pool, id)
}

// Members lists the tenant's members, oldest person first.
func (s *Service) Members(ctx context.Context, actor Actor, id TenantID, q PageQuery) (Page[Member], error) {
	if err := actor.Require(id, Viewer); err != nil {
		return Page[Member]{}, err
	}
	k, err := q.Keyset()
	if err != nil {
		return Page[Member]{}, err
	}
	members, err := membersByTenant(ctx, s.pool, id, k)
	return PageOf(k, members, func(m Member) (string, string) { return string(m.PersonID), "" }), err
}

// AuditEvents lists what was done in the tenant, newest first. It takes an Admin.
func (s *Service) AuditEvents(ctx context.Context, actor Actor, id TenantID, q PageQuery) (Page[AuditEvent], error) {
	if err := actor.Require(id, Admin); err != nil {
		return Page[AuditEvent]{}, err
	}
	k, err := q.keyset(newestFirst)
	if err != nil {
		return Page[AuditEvent]{}, err
	}
	events, err := auditByTenant(ctx, s.pool, id, k)
	return PageOf(k, events, func(e AuditEvent) (string, string) { return string(e.ID), "" }), err
}

// Audit notes in tx that the actor did something to a thing of the tenant's.
// The action is an operationId, the target a resource's id.
func (s *Service) Audit(ctx context.Context, tx pgx.Tx, tenant TenantID, actor Actor, action, target string) error {
	return insertAudit(ctx, tx, &tenant, actor.ID, action, target, s.clock())
}
