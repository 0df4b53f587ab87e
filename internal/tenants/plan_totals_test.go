package tenants

import (
	"fmt"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func (w *world) newAccount(name string, connections int64) Account {
	w.t.Helper()
	return must(w.CreateAccount(w.t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: name, Limits: LimitsPatch{Connections: &connections}}))(w.t)
}

func (w *world) setConnections(account AccountID, n int64) error {
	_, err := w.UpdateAccount(w.t.Context(), w.owner, account, "", func(s *AccountSpec) error { s.Limits.Connections = n; return nil })
	return err
}

// connections is what the JWTs of the tenant's accounts say, oldest first.
func (w *world) connections() string {
	w.t.Helper()
	var all []string
	for _, a := range must(w.Accounts(w.t.Context(), w.owner, w.tenant.ID, PageQuery{}))(w.t).Items {
		said := w.facts(a.PublicKey).Limits.Connections
		if said != a.EffectiveLimits.Connections {
			w.t.Errorf("%s shows %d connections, its JWT says %d", a.Name, a.EffectiveLimits.Connections, said)
		}
		all = append(all, fmt.Sprint(said))
	}
	return strings.Join(all, " ")
}

// together is a plan that allows that many connections for all accounts.
func together(name string, connections int64) PlanSpec {
	spec := terms(name)
	spec.AccountLimits.Connections, spec.TenantLimits.Connections = 60, connections
	return spec
}

func TestAccountsStayWithinThePlanTogether(t *testing.T) {
	t.Parallel()
	w := setup(t)
	if err := w.setConnections(w.account.ID, 40); err != nil {
		t.Fatal(err)
	}
	w.on(w.newPlan(together("Team", 100)))
	w.newAccount("second", 30)
	_, err := w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "third", Limits: LimitsPatch{Connections: ptr[int64](31)}})
	refused(t, err, fault.OverLimit, "/limits/connections")
	if !strings.Contains(err.Error(), "100 connections for all accounts together, and 30 are left") {
		t.Errorf("err = %v", err)
	}
	third := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "third"}))(t)
	if third.Limits.Connections != 30 {
		t.Errorf("an account nobody asked anything for has %d connections, want the 30 that are left", third.Limits.Connections)
	}
	refused(t, w.setConnections(third.ID, 31), fault.OverLimit, "/limits/connections")
	refused(t, w.setConnections(third.ID, claims.Unlimited), fault.Invalid, "/limits/connections")
	if err := w.setConnections(third.ID, 10); err != nil {
		t.Error(err)
	}
	if err := w.setConnections(w.account.ID, 60); err != nil {
		t.Error(err)
	}
	if got := w.connections(); got != "60 30 10" {
		t.Errorf("connections = %s", got)
	}
	use := must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t)
	if use.InForce.Connections != 100 || len(use.OverPlan) != 0 {
		t.Errorf("use = %+v", use)
	}
}

// Unlimited is more than any number, and a clone has what is left.
func TestUnlimitedAndClonedAccountsStayWithinThePlanTogether(t *testing.T) {
	t.Parallel()
	w := setup(t)
	if err := w.setConnections(w.account.ID, 40); err != nil {
		t.Fatal(err)
	}
	spec := together("Team", 70)
	spec.AccountLimits.Connections = claims.Unlimited
	w.on(w.newPlan(spec))
	refused(t, w.setConnections(w.account.ID, claims.Unlimited), fault.OverLimit, "/limits/connections")
	_, err := w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "second", Limits: LimitsPatch{Connections: ptr(claims.Unlimited)}})
	refused(t, err, fault.OverLimit, "/limits/connections")
	clone := must(w.CloneAccount(t.Context(), w.owner, w.account.ID, Once{}, "clone"))(t)
	if clone.Limits.Connections != 30 {
		t.Errorf("the clone of 40 connections has %d, want the 30 that are left", clone.Limits.Connections)
	}
	if got := w.connections(); got != "40 30" {
		t.Errorf("connections = %s", got)
	}
}

func TestAccountsMadeAtOnceStayWithinThePlanTogether(t *testing.T) {
	t.Parallel()
	w := setup(t)
	if err := w.setConnections(w.account.ID, 0); err != nil {
		t.Fatal(err)
	}
	w.on(w.newPlan(together("Team", 100)))
	won, lost := race(12, func(i int) error {
		_, err := w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: fmt.Sprint("a", i), Limits: LimitsPatch{Connections: ptr[int64](15)}})
		return err
	})
	if won != 6 {
		t.Errorf("%d accounts of 15 connections were made within 100", won)
	}
	for _, err := range lost {
		refused(t, err, fault.OverLimit, "/limits/connections")
	}
	accounts := must(w.Accounts(t.Context(), w.owner, w.tenant.ID, PageQuery{}))(t).Items
	won, _ = race(len(accounts), func(i int) error { return w.setConnections(accounts[i].ID, 20) })
	if use := must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t); use.InForce.Connections > 100 || won == 0 {
		t.Errorf("%d raised, %d connections in all", won, use.InForce.Connections)
	}
}

func TestOlderAccountsComeFirstAfterADowngrade(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.on(w.newPlan(terms("Large")))
	if err := w.setConnections(w.account.ID, 50); err != nil {
		t.Fatal(err)
	}
	second, third := w.newAccount("second", 50), w.newAccount("third", 40)
	small := w.newPlan(together("Small", 70))
	operation := w.on(small)
	if operation.FinishedAt == nil || operation.Done != 3 {
		t.Errorf("operation = %+v", operation)
	}
	if got := w.connections(); got != "50 20 0" {
		t.Errorf("connections = %s, want 50 20 0", got)
	}
	use := must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t)
	if len(use.OverPlan) != 2 || use.OverPlan[0].AccountID != second.ID || use.OverPlan[1].AccountID != third.ID ||
		!contains(fmt.Sprint(use.OverPlan[0].Fields), "/limits/connections") || use.InForce.Connections != 70 {
		t.Errorf("use = %+v", use)
	}
	// Nobody's settings were touched, and another name needs no room.
	if got := must(w.Account(t.Context(), w.owner, third.ID))(t); got.Limits.Connections != 40 {
		t.Errorf("third = %+v", got.Limits)
	}
	must(w.UpdateAccount(t.Context(), w.owner, third.ID, "", func(s *AccountSpec) error { s.Name = "renamed"; return nil }))(t)
	// What one gives up, the next have.
	if err := w.setConnections(w.account.ID, 10); err != nil {
		t.Fatal(err)
	}
	if err := w.StepOperations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.connections(); got != "10 50 10" {
		t.Errorf("connections = %s, want 10 50 10", got)
	}
	w.on(w.newPlan(terms("Large again")))
	if got := w.connections(); got != "10 50 40" {
		t.Errorf("connections = %s, want what was asked for", got)
	}
}

func TestStorageTheTenantHasNotIsNone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec := terms("No streams left")
	spec.TenantLimits.Streams = 0
	w.on(w.newPlan(spec))
	if js := w.facts(w.account.PublicKey).Limits.JetStream; !js.Off() {
		t.Errorf("jetstream = %+v: to a server, 0 streams are any number", js)
	}
	spec = terms("Some")
	spec.TenantLimits.MemoryBytes, spec.TenantLimits.DiskBytes = 1000, 2000
	w.on(w.newPlan(spec))
	if js := w.facts(w.account.PublicKey).Limits.JetStream; js.MemoryBytes != 1000 || js.DiskBytes != 2000 || js.Streams != w.account.Limits.JetStream.Streams {
		t.Errorf("jetstream = %+v", js)
	}
}

func TestDowngradeNarrowsConnectionTypes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec := terms("No browsers")
	spec.ConnectionTypes = []claims.ConnectionType{claims.Standard, claims.MQTT}
	w.on(w.newPlan(spec))
	facts := w.facts(w.account.PublicKey)
	if got := fmt.Sprint(facts.ConnectionTypes, facts.Roles[0].Template.ConnectionTypes); got != "[STANDARD MQTT] [STANDARD MQTT]" {
		t.Errorf("the account and its role allow %s", got)
	}
	types := func(of ...claims.ConnectionType) func(*AccountSpec) error {
		return func(s *AccountSpec) error { s.Settings.ConnectionTypes = of; return nil }
	}
	_, err := w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", types(claims.MQTT, claims.WebSocket))
	refused(t, err, fault.Invalid, "/connection_types/1")
	must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", types(claims.MQTT)))(t)
	spec.Name, spec.ConnectionTypes = "Browsers only", []claims.ConnectionType{claims.WebSocket}
	w.on(w.newPlan(spec))
	if got := w.facts(w.account.PublicKey).ConnectionTypes; fmt.Sprint(got) != "[NONE]" {
		t.Errorf("types = %s, want none", got)
	}
	if use := must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t); len(use.OverPlan) != 1 || use.OverPlan[0].Fields[0] != "/connection_types/0" {
		t.Errorf("over the plan: %+v", use.OverPlan)
	}
}
