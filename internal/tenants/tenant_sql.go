package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	tenantColumns = `tenants.id, tenants.name, plans.first_id AS plan_id, plans.name AS plan_name, plans.version AS plan_version, ` +
		`tenants.version, tenants.created_at, tenants.updated_at`
	auditColumns = `id, actor, action, target, reason, created_at`
)

// insertTenant puts the tenant on the default plan; without one it fails.
func insertTenant(ctx context.Context, tx pgx.Tx, id TenantID, spec TenantSpec, now time.Time) (Tenant, error) {
	const query = `
		WITH tenants AS (
			INSERT INTO tenants (id, name, plan_id, created_at, updated_at)
			SELECT @id, @name, plans.id, @now, @now
			FROM plans
			WHERE is_default
			RETURNING id, name, plan_id, version, created_at, updated_at
		)
		SELECT ` + tenantColumns + `
		FROM tenants
		JOIN plans ON plans.id = tenants.plan_id`
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
	JOIN plans ON plans.id = tenants.plan_id
	WHERE tenants.id = @id
	AND tenants.id = ANY(@tenants)`

func tenantByID(ctx context.Context, q querier, actor Actor, id TenantID) (Tenant, error) {
	tenant, err := one[Tenant](ctx, q, selectTenant, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return tenant, found(err, "tenant", string(id))
}

func lockTenant(ctx context.Context, tx pgx.Tx, actor Actor, id TenantID) (Tenant, error) {
	const query = selectTenant + `
		FOR NO KEY UPDATE OF tenants`
	tenant, err := one[Tenant](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return tenant, found(err, "tenant", string(id))
}

// lockTenantForStaff is lockTenant for who is in none.
func lockTenantForStaff(ctx context.Context, tx pgx.Tx, id TenantID) (Tenant, error) {
	const query = `
		SELECT ` + tenantColumns + `
		FROM tenants
		JOIN plans ON plans.id = tenants.plan_id
		WHERE tenants.id = @id
		FOR NO KEY UPDATE OF tenants`
	tenant, err := one[Tenant](ctx, tx, query, pgx.StrictNamedArgs{"id": id})
	return tenant, found(err, "tenant", string(id))
}

// allTenants lists the installation's, for staff.
func allTenants(ctx context.Context, q querier, k Keyset) ([]Tenant, error) {
	args := pgx.StrictNamedArgs{}
	query := `
		SELECT ` + tenantColumns + `
		FROM tenants
		JOIN plans ON plans.id = tenants.plan_id
		WHERE true` + k.SQL("tenants.id", "tenants.name", args)
	return all[Tenant](ctx, q, query, args)
}

// lockNextTenant is the first tenant after that one on that version of a plan.
func lockNextTenant(ctx context.Context, tx pgx.Tx, plan PlanID, after TenantID) (TenantID, error) {
	const query = `
		SELECT id
		FROM tenants
		WHERE plan_id = @plan
		AND id > @after
		ORDER BY id
		LIMIT 1
		FOR NO KEY UPDATE`
	return value[TenantID](ctx, tx, query, pgx.StrictNamedArgs{"plan": plan, "after": after})
}

func updateTenant(ctx context.Context, tx pgx.Tx, id TenantID, spec TenantSpec, now time.Time) (Tenant, error) {
	const query = `
		UPDATE tenants
		SET name = @name,
			version = tenants.version + 1,
			updated_at = @now
		FROM plans
		WHERE tenants.id = @id
		AND plans.id = tenants.plan_id
		RETURNING ` + tenantColumns
	return one[Tenant](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "name": spec.Name, "now": now})
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

// insertAudits notes the same act on each of many targets.
func insertAudits(ctx context.Context, tx pgx.Tx, tenant TenantID, actor, action string, targets []string, now time.Time) error {
	const query = `
		INSERT INTO audit_events (id, tenant_id, actor, action, target, created_at)
		SELECT noted.id, @tenant, @actor, @action, noted.target, @now
		FROM unnest(@ids::text[], @targets::text[]) AS noted (id, target)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"tenant": tenant, "actor": actor, "action": action, "targets": targets, "now": now,
		"ids": column(targets, func(string) AuditEventID { return NewID[AuditEventID]("aud") }),
	})
	if err != nil {
		return fmt.Errorf("insert audit events: %w", err)
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
