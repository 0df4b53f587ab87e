package tenants

import (
	"context"
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/postgres"
)

// CreatePlan makes a plan, for staff. Nobody is on it yet. Wrong terms are
// Invalid, each at its field; a name in use is a Conflict at /name.
func (s *Service) CreatePlan(ctx context.Context, actor Actor, once Once, spec PlanSpec) (OfferedPlan, error) {
	if err := actor.requireStaff(); err != nil {
		return OfferedPlan{}, err
	}
	if err := spec.validate(); err != nil {
		return OfferedPlan{}, err
	}
	id := NewID[PlanID]("pln")
	fresh := func(tx pgx.Tx) (OfferedPlan, error) {
		now := s.clock()
		plan, err := insertPlan(ctx, tx, Plan{ID: id, VersionID: id, Version: 1, PlanSpec: spec, CreatedBy: actor.ID, CreatedAt: now})
		if err != nil {
			return OfferedPlan{}, err
		}
		return OfferedPlan{Plan: plan}, insertAudit(ctx, tx, nil, actor.ID, "createPlan", string(id), now)
	}
	again := func(tx pgx.Tx, id PlanID) (OfferedPlan, error) { return planVersion(ctx, tx, id, 0) }
	return create(ctx, s, actor, once, id, fresh, again)
}

// Plans lists the newest version of each plan, for staff.
func (s *Service) Plans(ctx context.Context, actor Actor, q PageQuery) (Page[OfferedPlan], error) {
	if err := actor.requireStaff(); err != nil {
		return Page[OfferedPlan]{}, err
	}
	k, err := q.NamedKeyset()
	if err != nil {
		return Page[OfferedPlan]{}, err
	}
	plans, err := newestPlans(ctx, s.pool, k)
	return PageOf(k, plans, func(p OfferedPlan) (string, string) { return string(p.ID), p.Name }), err
}

// PlanVersions lists all versions of the plan, oldest first, for staff.
func (s *Service) PlanVersions(ctx context.Context, actor Actor, id PlanID, q PageQuery) (Page[OfferedPlan], error) {
	if err := actor.requireStaff(); err != nil {
		return Page[OfferedPlan]{}, err
	}
	k, err := q.Keyset()
	if err != nil {
		return Page[OfferedPlan]{}, err
	}
	if _, err := planVersion(ctx, s.pool, id, 0); err != nil {
		return Page[OfferedPlan]{}, err
	}
	plans, err := versionsOfPlan(ctx, s.pool, id, k)
	return PageOf(k, plans, func(p OfferedPlan) (string, string) { return string(p.VersionID), "" }), err
}

// PlanVersion is one version of the plan, the newest for 0, for staff.
func (s *Service) PlanVersion(ctx context.Context, actor Actor, id PlanID, version int64) (OfferedPlan, error) {
	if err := actor.requireStaff(); err != nil {
		return OfferedPlan{}, err
	}
	return planVersion(ctx, s.pool, id, version)
}

// UpdatePlan has edit change a copy of the newest version's terms and makes the
// next version of the result, if it is another, for staff. Tenants stay on
// theirs; who signs up gets the new one if the plan is the default.
func (s *Service) UpdatePlan(ctx context.Context, actor Actor, id PlanID, match string, edit func(*PlanSpec) error) (OfferedPlan, error) {
	if err := actor.requireStaff(); err != nil {
		return OfferedPlan{}, err
	}
	var plan OfferedPlan
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if err := lockBootstrap(ctx, tx); err != nil { // plans change one after the other
			return err
		}
		if plan, err = planVersion(ctx, tx, id, 0); err != nil {
			return err
		}
		if err := matches(match, plan.Version); err != nil {
			return err
		}
		spec := plan.PlanSpec
		spec.ConnectionTypes = slices.Clone(spec.ConnectionTypes)
		if err := edit(&spec); err != nil {
			return err
		}
		if spec.equal(plan.PlanSpec) {
			return nil
		}
		if err := spec.validate(); err != nil {
			return err
		}
		now := s.clock()
		next := Plan{ID: id, VersionID: NewID[PlanID]("pln"), Version: plan.Version + 1, PlanSpec: spec,
			IsDefault: plan.IsDefault, CreatedBy: actor.ID, CreatedAt: now}
		if err := retirePlan(ctx, tx, plan.Plan); err != nil {
			return err
		}
		if next, err = insertPlan(ctx, tx, next); err != nil {
			return err
		}
		plan = OfferedPlan{Plan: next}
		return insertAudit(ctx, tx, nil, actor.ID, "updatePlan", string(id), now)
	})
	return plan, err
}

// equal takes a missing list and an empty one for the same.
func (s PlanSpec) equal(other PlanSpec) bool {
	types := slices.Equal(s.ConnectionTypes, other.ConnectionTypes)
	s.ConnectionTypes, other.ConnectionTypes = nil, nil
	return types && reflect.DeepEqual(s, other)
}

// MakeDefaultPlan has those who sign up from now on be put on the plan, for staff.
func (s *Service) MakeDefaultPlan(ctx context.Context, actor Actor, id PlanID) (OfferedPlan, error) {
	if err := actor.requireStaff(); err != nil {
		return OfferedPlan{}, err
	}
	var plan OfferedPlan
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if err := lockBootstrap(ctx, tx); err != nil {
			return err
		}
		if plan, err = planVersion(ctx, tx, id, 0); err != nil || plan.IsDefault {
			return err
		}
		if err := moveDefault(ctx, tx, plan.Plan); err != nil {
			return err
		}
		plan.IsDefault = true
		return insertAudit(ctx, tx, nil, actor.ID, "makeDefaultPlan", string(id), s.clock())
	})
	return plan, err
}

// SetTenantPlan moves the tenant to that version of a plan, the newest for 0, for
// staff. What its accounts have no more is withdrawn from them by the
// operation, whose first steps follow at once. match is the tenant's ETag.
func (s *Service) SetTenantPlan(ctx context.Context, actor Actor, tenant TenantID, match string, plan PlanID, version int64) (PlanUse, Operation, error) {
	if err := actor.requireStaff(); err != nil {
		return PlanUse{}, Operation{}, err
	}
	var use PlanUse
	var operation Operation
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		current, err := lockTenantForStaff(ctx, tx, tenant)
		if err != nil {
			return err
		}
		if err := matches(match, current.Version); err != nil {
			return err
		}
		to, err := planVersion(ctx, tx, plan, version)
		if err != nil {
			return atPlan(err)
		}
		now := s.clock()
		if err := putOnPlan(ctx, tx, tenant, to.Plan, now); err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, &tenant, actor.ID, "setTenantPlan", string(to.VersionID), now); err != nil {
			return err
		}
		if operation, err = s.announceTenant(ctx, tx, actor.ID, tenant, now); err != nil {
			return err
		}
		use, err = wholePlanUse(ctx, tx, tenant)
		return err
	})
	s.wake()
	return use, operation, err
}

// MoveTenants moves all tenants that are on that version of the plan to its
// newest, for staff. A Conflict when that is the newest.
func (s *Service) MoveTenants(ctx context.Context, actor Actor, once Once, plan PlanID, version int64) (Operation, error) {
	if err := actor.requireStaff(); err != nil {
		return Operation{}, err
	}
	id := NewID[OperationID]("opn")
	fresh := func(tx pgx.Tx) (Operation, error) { return s.beginMove(ctx, tx, actor, id, plan, version) }
	again := func(tx pgx.Tx, id OperationID) (Operation, error) { return operationByID(ctx, tx, actor, id) }
	operation, err := create(ctx, s, actor, once, id, fresh, again)
	s.wake()
	return operation, err
}
