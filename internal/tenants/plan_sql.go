package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const planColumns = `plans.first_id AS id, plans.version, plans.id AS version_id, plans.name, plans.max_accounts, plans.max_roles, ` +
	`plans.max_users, plans.max_members, plans.account_limits, plans.tenant_limits, plans.connection_types, ` +
	`plans.max_credential_lifetime, plans.default_credential_lifetime, plans.is_default, plans.is_newest, plans.created_by, plans.created_at`

var planFaults = map[string]*fault.Error{
	"plans_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another plan has this name"},
}

// insertPlan puts a version of a plan there as its newest one.
func insertPlan(ctx context.Context, tx pgx.Tx, p Plan) (Plan, error) {
	const query = `
		INSERT INTO plans (id, first_id, version, name, max_accounts, max_roles, max_users, max_members, account_limits, tenant_limits,
			connection_types, max_credential_lifetime, default_credential_lifetime, is_default, created_by, created_at, updated_at)
		VALUES (@id, @first, @version, @name, @accounts, @roles, @users, @members, @account_limits, @tenant_limits,
			@types, @longest, @usual, @default, @by, @now, @now)
		RETURNING ` + planColumns
	types := p.ConnectionTypes
	if types == nil {
		types = []claims.ConnectionType{}
	}
	plan, err := one[Plan](ctx, tx, query, pgx.StrictNamedArgs{
		"id": p.VersionID, "first": p.ID, "version": p.Version, "name": p.Name, "accounts": p.MaxAccounts, "roles": p.MaxRoles,
		"users": p.MaxUsers, "members": p.MaxMembers, "account_limits": p.AccountLimits, "tenant_limits": p.TenantLimits, "types": types,
		"longest": p.MaxCredentialLifetime, "usual": p.DefaultCredentialLifetime, "default": p.IsDefault, "by": p.CreatedBy, "now": p.CreatedAt,
	})
	if err != nil {
		return Plan{}, fmt.Errorf("insert a plan: %w", postgres.Fault(err, planFaults))
	}
	return plan, nil
}

// retirePlan says that another version of the plan is about to be the newest.
func retirePlan(ctx context.Context, tx pgx.Tx, p Plan) error {
	const query = `
		UPDATE plans
		SET is_newest = false,
			is_default = false
		WHERE id = @id`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": p.VersionID})
	return err
}

// moveDefault makes the newest version of the plan the default, in place of whichever is.
func moveDefault(ctx context.Context, tx pgx.Tx, p Plan) error {
	const clear = `
		UPDATE plans
		SET is_default = false
		WHERE is_default`
	if _, err := exec(ctx, tx, clear, pgx.StrictNamedArgs{}); err != nil {
		return err
	}
	const set = `
		UPDATE plans
		SET is_default = true
		WHERE id = @id`
	_, err := exec(ctx, tx, set, pgx.StrictNamedArgs{"id": p.VersionID})
	return err
}

const selectOffered = `
	SELECT ` + planColumns + `, (
		SELECT count(*)
		FROM tenants
		WHERE tenants.plan_id = plans.id
	) AS tenants
	FROM plans`

// planVersion is the version of the plan; 0 is the newest.
func planVersion(ctx context.Context, q querier, id PlanID, version int64) (OfferedPlan, error) {
	const query = selectOffered + `
		WHERE plans.first_id = @id
		AND (plans.version = @version OR @version = 0 AND plans.is_newest)`
	plan, err := one[OfferedPlan](ctx, q, query, pgx.StrictNamedArgs{"id": id, "version": version})
	if version == 0 {
		return plan, found(err, "plan", string(id))
	}
	return plan, found(err, "version", fmt.Sprintf("%d of plan %s", version, id))
}

func newestPlans(ctx context.Context, q querier, k Keyset) ([]OfferedPlan, error) {
	args := pgx.StrictNamedArgs{}
	query := selectOffered + `
		WHERE plans.is_newest` + k.SQL("plans.first_id", "plans.name", args)
	return all[OfferedPlan](ctx, q, query, args)
}

func versionsOfPlan(ctx context.Context, q querier, id PlanID, k Keyset) ([]OfferedPlan, error) {
	args := pgx.StrictNamedArgs{"id": id}
	query := selectOffered + `
		WHERE plans.first_id = @id` + k.SQL("plans.id", "", args)
	return all[OfferedPlan](ctx, q, query, args)
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
// counts for the tenant. Keys that refer to the tenant are not held up. Who also locks an
// account of the tenant's locks the plan first.
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
		) AS accounts, (
			SELECT count(*)
			FROM members
			WHERE tenant_id = @tenant
		) AS members
		FROM tenants
		JOIN plans ON plans.id = tenants.plan_id
		WHERE tenants.id = @tenant`
	use, err := one[PlanUse](ctx, q, query, pgx.StrictNamedArgs{"tenant": tenant})
	return use, found(err, "tenant", string(tenant))
}

// askedOf is what the tenant's accounts ask for: those before one account, if it
// is given, and without another. Most ask for the same, which makes few rows of many.
func askedOf(ctx context.Context, q querier, tenant TenantID, before, but AccountID) ([]asked, error) {
	const query = `
		SELECT limits, count(*) AS accounts
		FROM accounts
		WHERE tenant_id = @tenant
		AND deleted_at IS NULL
		AND (@before = '' OR id < @before)
		AND id <> @but
		GROUP BY limits`
	return all[asked](ctx, q, query, pgx.StrictNamedArgs{"tenant": tenant, "before": before, "but": but})
}

// sharesOf are the tenant's accounts without that one, oldest first.
func sharesOf(ctx context.Context, q querier, tenant TenantID, but AccountID) ([]share, error) {
	const query = `
		SELECT id, name, limits, COALESCE(effective_limits, limits) AS effective_limits, settings
		FROM accounts
		WHERE tenant_id = @tenant
		AND deleted_at IS NULL
		AND id <> @but
		ORDER BY id`
	return all[share](ctx, q, query, pgx.StrictNamedArgs{"tenant": tenant, "but": but})
}

// putOnPlan moves the tenant to that version of a plan.
func putOnPlan(ctx context.Context, tx pgx.Tx, tenant TenantID, p Plan, now time.Time) error {
	const query = `
		UPDATE tenants
		SET plan_id = @plan,
			version = version + 1,
			updated_at = @now
		WHERE id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": tenant, "plan": p.VersionID, "now": now})
	return err
}
