package tenants

import (
	"fmt"
	"testing"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// terms are generous ones.
func terms(name string) PlanSpec {
	return PlanSpec{Name: name, MaxAccounts: 100, MaxRoles: 100, MaxUsers: 100, MaxMembers: 10,
		AccountLimits: claims.UnlimitedLimits(), TenantLimits: UnlimitedTenant()}
}

func (w *world) newPlan(spec PlanSpec) OfferedPlan {
	w.t.Helper()
	return must(w.CreatePlan(w.t.Context(), staff, Once{}, spec))(w.t)
}

// on puts the world's tenant on the plan, and waits until that has come to its accounts.
func (w *world) on(plan OfferedPlan) Operation {
	w.t.Helper()
	_, operation, err := w.SetTenantPlan(w.t.Context(), staff, w.tenant.ID, "", plan.ID, plan.Version)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.finished(operation)
}

// finished is the operation once it has done all it can.
func (w *world) finished(o Operation) Operation {
	w.t.Helper()
	if err := w.StepOperations(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return must(w.Operation(w.t.Context(), staff, o.ID))(w.t)
}

func TestPlanVersionsNeverChange(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec := terms("Team")
	spec.ConnectionTypes = []claims.ConnectionType{claims.Standard, claims.MQTT}
	spec.MaxCredentialLifetime, spec.DefaultCredentialLifetime = 90*24*time.Hour, time.Hour
	first := w.newPlan(spec)
	w.on(first)
	smaller := func(s *PlanSpec) error {
		s.Name, s.MaxAccounts, s.ConnectionTypes[1] = "Team of today", 5, claims.WebSocket
		return nil
	}
	second := must(w.UpdatePlan(t.Context(), staff, first.ID, ETag(1), smaller))(t)
	if second.Version != 2 || !second.IsNewest || second.MaxAccounts != 5 || second.ID != first.ID || second.Tenants != 0 {
		t.Errorf("second = %+v", second)
	}
	again := must(w.PlanVersion(t.Context(), staff, first.ID, 1))(t)
	if !again.PlanSpec.equal(spec) || again.IsNewest || again.Tenants != 1 {
		t.Errorf("the first version became %+v", again)
	}
	if use := must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t); use.Version != 1 || use.MaxAccounts != 100 {
		t.Errorf("the tenant is on %+v", use)
	}
	if tenant := must(w.Tenant(t.Context(), w.owner, w.tenant.ID))(t); tenant.PlanID != first.ID || tenant.PlanVersion != 1 {
		t.Errorf("tenant = %+v", tenant)
	}
	_, err := w.UpdatePlan(t.Context(), staff, first.ID, ETag(1), smaller)
	refused(t, err, fault.Stale)
	same := must(w.UpdatePlan(t.Context(), staff, first.ID, ETag(2), func(*PlanSpec) error { return nil }))(t)
	if same.Version != 2 {
		t.Errorf("an edit of nothing made version %d", same.Version)
	}
	if versions := must(w.PlanVersions(t.Context(), staff, first.ID, PageQuery{}))(t).Items; len(versions) != 2 || versions[0].Version != 1 {
		t.Errorf("versions = %+v", versions)
	}
	if plans := must(w.Plans(t.Context(), staff, PageQuery{Query: "team"}))(t).Items; len(plans) != 1 || plans[0].Version != 2 {
		t.Errorf("plans = %+v", plans)
	}
	if _, err := w.pool.Exec(t.Context(), `UPDATE plans SET is_newest = true`); err == nil {
		t.Error("a plan can have two newest versions")
	}
}

func TestPlansThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.newPlan(terms("Taken"))
	bad := terms("Free")
	_, err := w.CreatePlan(t.Context(), staff, Once{}, bad)
	refused(t, err, fault.Conflict, "/name")
	bad = terms("\n")
	bad.MaxMembers, bad.AccountLimits.Connections, bad.TenantLimits.DiskBytes = -2, -2, -2
	bad.ConnectionTypes = []claims.ConnectionType{"PIGEON"}
	bad.MaxCredentialLifetime, bad.DefaultCredentialLifetime = time.Hour, 2*time.Hour
	_, err = w.CreatePlan(t.Context(), staff, Once{}, bad)
	refused(t, err, fault.Invalid, "/name", "/max_members", "/tenant_limits/jetstream/disk_bytes", "/account_limits/connections", "/connection_types/0", "/default_credential_lifetime")
	_, err = w.CreatePlan(t.Context(), w.owner, Once{}, terms("Mine"))
	refused(t, err, fault.Forbidden)
	_, err = w.Tenants(t.Context(), w.owner, PageQuery{})
	refused(t, err, fault.Forbidden)
}

func TestDefaultPlanIsOfWhoSignsUpNext(t *testing.T) {
	t.Parallel()
	w := setup(t)
	plan := w.newPlan(terms("Team"))
	if made := must(w.MakeDefaultPlan(t.Context(), staff, plan.ID))(t); !made.IsDefault {
		t.Errorf("made = %+v", made)
	}
	newer := must(w.UpdatePlan(t.Context(), staff, plan.ID, "", func(s *PlanSpec) error { s.MaxRoles = 3; return nil }))(t)
	if !newer.IsDefault {
		t.Error("its next version is not the default")
	}
	_, tenant, _ := w.found("Later")
	if tenant.PlanID != plan.ID || tenant.PlanVersion != 2 {
		t.Errorf("who signed up is on %s, version %d", tenant.PlanID, tenant.PlanVersion)
	}
	full := terms("Nobody")
	full.MaxMembers = 0
	must(w.MakeDefaultPlan(t.Context(), staff, w.newPlan(full).ID))(t)
	_, _, err := w.tryFound("Too many")
	refused(t, err, fault.OverLimit)
}

func TestTenantsOfAVersionMoveToTheNewest(t *testing.T) {
	t.Parallel()
	w := setup(t)
	plan := w.newPlan(terms("Team"))
	must(w.MakeDefaultPlan(t.Context(), staff, plan.ID))(t)
	var tenants []Tenant
	for i := range 5 {
		_, tenant, _ := w.found(fmt.Sprint("Tenant ", i))
		tenants = append(tenants, tenant)
	}
	_, err := w.MoveTenants(t.Context(), staff, Once{}, plan.ID, 1)
	refused(t, err, fault.Conflict)
	must(w.UpdatePlan(t.Context(), staff, plan.ID, "", func(s *PlanSpec) error { s.AccountLimits.Connections = 3; return nil }))(t)
	once := Once{Key: "move"}
	operation := must(w.MoveTenants(t.Context(), staff, once, plan.ID, 1))(t)
	if operation.Total != 5 || operation.FinishedAt != nil {
		t.Errorf("operation = %+v", operation)
	}
	// Killed between two steps, it goes on in another replica.
	for range 2 {
		if progressed, err := w.stepOperation(t.Context(), operation.ID); err != nil || !progressed {
			t.Fatalf("progressed %t: %v", progressed, err)
		}
	}
	other := New(w.pool, w.keys)
	if err := other.StepOperations(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := must(w.MoveTenants(t.Context(), staff, once, plan.ID, 1))(t)
	if done.ID != operation.ID || done.Done != 5 || done.FinishedAt == nil || done.Stage != stageDone {
		t.Errorf("done = %+v", done)
	}
	for _, tenant := range tenants {
		if use := must(planUse(t.Context(), w.pool, tenant.ID))(t); use.Version != 2 {
			t.Errorf("%s is on version %d", tenant.Name, use.Version)
		}
	}
	if use := must(planUse(t.Context(), w.pool, w.tenant.ID))(t); use.Name != "Free" {
		t.Errorf("a tenant of another plan moved to %s", use.Name)
	}
}

func TestOperationIsForItsTenantAndStaff(t *testing.T) {
	t.Parallel()
	w := setup(t)
	plan := w.newPlan(terms("Team"))
	operation := w.on(plan)
	if operation.FinishedAt == nil || operation.Done != 1 || operation.Total != 1 {
		t.Errorf("operation = %+v", operation)
	}
	must(w.Operation(t.Context(), w.as(Viewer), operation.ID))(t)
	stranger, _, _ := w.found("Strangers")
	_, err := w.Operation(t.Context(), stranger, operation.ID)
	refused(t, err, fault.NotFound)
	_, _, err = w.SetTenantPlan(t.Context(), staff, w.tenant.ID, ETag(1), plan.ID, 1)
	refused(t, err, fault.Stale)
	_, _, err = w.SetTenantPlan(t.Context(), staff, w.tenant.ID, "", NewID[PlanID]("pln"), 0)
	refused(t, err, fault.Invalid, "/plan_id")
	_, _, err = w.SetTenantPlan(t.Context(), staff, NewID[TenantID]("ten"), "", NewID[PlanID]("pln"), 0)
	refused(t, err, fault.NotFound)
}
