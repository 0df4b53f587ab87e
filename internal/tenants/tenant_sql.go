package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	tenantColumns = `tenants.id, tenants.name, tenants.plan_id, tenants.version, tenants.created_at, tenants.updated_at`
	planColumns   = `plans.id, plans.name, plans.max_accounts, plans.max_roles, plans.max_users, plans.account_limits`
	auditColumns  = `id, actor, action, target, reason, created_at`
)

// insertTenant puts the tenant on the default plan; without one it fails.
func insertTenant(ctx context.Context, tx pgx.Tx, id TenantID, spec TenantSpec, now time.Time) (Tenant, error) {
	const query = `
		INSERT INTO tenants (id, name, plan_id, created_at, updated_at)
		SELECT @id, @name, plans.id, @now, @now
		FROM plans
		WHERE is_default
		RETURNING ` + tenantColumns
	tenant, err := one[Tenant](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "name": spec.Name, "now": now})
	if err != nil {
		return Tenant{}, fmt.Errorf("insert a tenant on the default plan: %w", err)
	}
	return tenant, nil
}

func insertMember(ctx context.Context, tx pgx.Tx, tenant TenantID, person PersonID, role MemberRole, now time.Time) error {
	const query = `
		INSERT INTO members (tenant_id, person_id, role, created_at)
		VALUES (@tenant, @person, @role, @now)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": tenant, "person": person, "role": role, "now": now})
	if err != nil {
		return fmt.Errorf("insert a member: %w", err)
	}
	return nil
}

const selectTenant = `
	SELECT ` + tenantColumns + `
	FROM tenants
	WHERE tenants.id = @id
	AND tenants.id = ANY(@tenants)`

func tenantByID(ctx context.Context, q querier, actor Actor, id TenantID) (Tenant, error) {
	tenant, err := one[Tenant](ctx, q, selectTenant, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return tenant, found(err, "tenant", string(id))
}

func lockTenant(ctx context.Context, tx pgx.Tx, actor Actor, id TenantID) (Tenant, error) {
	const query = selectTenant + `
		FOR NO KEY UPDATE`
	tenant, err := one[Tenant](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return tenant, found(err, "tenant", string(id))
}

func updateTenant(ctx context.Context, tx pgx.Tx, id TenantID, spec TenantSpec, now time.Time) (Tenant, error) {
	const query = `
		UPDATE tenants
		SET name = @name,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		RETURNING ` + tenantColumns
	return one[Tenant](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "name": spec.Name, "now": now})
}

const selectPlan = `
	SELECT ` + planColumns + `
	FROM tenants
	JOIN plans ON plans.id = tenants.plan_id
	WHERE tenants.id = @tenant`

func planByTenant(ctx context.Context, q querier, tenant TenantID) (Plan, error) {
	plan, err := one[Plan](ctx, q, selectPlan, pgx.StrictNamedArgs{"tenant": tenant})
	return plan, found(err, "tenant", string(tenant))
}

// lockPlan is planByTenant for counting against it: until tx ends, nobody else
// counts for the tenant. Keys that refer to the tenant are not held up.
func lockPlan(ctx context.Context, tx pgx.Tx, tenant TenantID) (Plan, error) {
	const query = selectPlan + `
		FOR NO KEY UPDATE OF tenants`
	plan, err := one[Plan](ctx, tx, query, pgx.StrictNamedArgs{"tenant": tenant})
	return plan, found(err, "tenant", string(tenant))
}

func planUse(ctx context.Context, q querier, tenant TenantID) (PlanUse, error) {
	const query = `
		SELECT ` + planColumns + `, (
			SELECT count(*)
			FROM accounts
			WHERE tenant_id = @tenant
			AND deleted_at IS NULL
		) AS accounts
		FROM tenants
		JOIN plans ON plans.id = tenants.plan_id
		WHERE tenants.id = @tenant`
	use, err := one[PlanUse](ctx, q, query, pgx.StrictNamedArgs{"tenant": tenant})
	return use, found(err, "tenant", string(tenant))
}

func membersByTenant(ctx context.Context, q querier, tenant TenantID, k Keyset) ([]Member, error) {
	args := pgx.StrictNamedArgs{"tenant": tenant}
	query := `
		SELECT members.tenant_id, members.person_id, people.email, members.role, members.created_at
		FROM members
		JOIN people ON people.id = members.person_id
		WHERE members.tenant_id = @tenant` + k.SQL("members.person_id", "", args)
	return all[Member](ctx, q, query, args)
}

// insertAudit notes an act; a nil tenant is for acts of staff and of the installation.
func insertAudit(ctx context.Context, tx pgx.Tx, tenant *TenantID, actor, action, target string, now time.Time) error {
	return insertReasonedAudit(ctx, tx, tenant, actor, action, target, "", now)
}

func insertReasonedAudit(ctx context.Context, tx pgx.Tx, tenant *TenantID, actor, action, target, reason string, now time.Time) error {
	const query = `
		INSERT INTO audit_events (id, tenant_id, actor, action, target, reason, created_at)
		VALUES (@id, @tenant, @actor, @action, @target, @reason, @now)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": NewID[AuditEventID]("aud"), "tenant": tenant, "actor": actor, "action": action, "target": target, "reason": reason, "now": now,
	})
	if err != nil {
		return fmt.Errorf("insert an audit event: %w", err)
	}
	return nil
}

func auditByTenant(ctx context.Context, q querier, tenant TenantID, k Keyset) ([]AuditEvent, error) {
	args := pgx.StrictNamedArgs{"tenant": tenant}
	query := `
		SELECT ` + auditColumns + `
		FROM audit_events
		WHERE tenant_id = @tenant` + k.SQL("id", "", args)
	return all[AuditEvent](ctx, q, query, args)
}

// auditByTarget lists what was done to one thing of the tenant's.
func auditByTarget(ctx context.Context, q querier, tenant TenantID, target string, k Keyset) ([]AuditEvent, error) {
	args := pgx.StrictNamedArgs{"tenant": tenant, "target": target}
	query := `
		SELECT ` + auditColumns + `
		FROM audit_events
		WHERE tenant_id = @tenant
		AND target = @target` + k.SQL("id", "", args)
	return all[AuditEvent](ctx, q, query, args)
}
