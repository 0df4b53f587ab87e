package tenants

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func TestSuspendedAccountIsSignedClosedAndResumedAsItWas(t *testing.T) {
	t.Parallel()
	w := setup(t)
	admin := w.as(Admin)
	open := w.facts(w.account.PublicKey)

	suspended := must(w.SuspendAccount(t.Context(), admin, w.account.ID, "unpaid"))(t)

	if suspended.Status() != AccountSuspended || suspended.SuspendReason != "unpaid" || *suspended.SuspendedBy != SideTenant || suspended.Revision != w.head() {
		t.Errorf("account = %+v", suspended)
	}
	facts := w.facts(w.account.PublicKey)
	if !facts.Suspended || facts.Limits.Connections != 0 || facts.Limits.JetStream != open.Limits.JetStream || len(facts.Roles) != 1 {
		t.Errorf("the JWT says %+v", facts)
	}
	if suspended.EffectiveLimits != suspended.Limits {
		t.Errorf("effective limits = %+v, want those that hold when it is resumed", suspended.EffectiveLimits)
	}

	again := must(w.SuspendAccount(t.Context(), admin, w.account.ID, "another reason"))(t)
	if diff := cmp.Diff(suspended, again); diff != "" {
		t.Errorf("suspended twice (-once +twice):\n%s", diff)
	}
	w.role("made meanwhile")
	if !w.facts(w.account.PublicKey).Suspended {
		t.Error("a change has opened the suspended account")
	}

	resumed := must(w.ResumeAccount(t.Context(), admin, w.account.ID))(t)
	if resumed.Status() != AccountActive || resumed.SuspendReason != "" || resumed.SuspendedBy != nil {
		t.Errorf("account = %+v", resumed)
	}
	facts = w.facts(w.account.PublicKey)
	ignore := cmpopts.IgnoreFields(claims.AccountFacts{}, "Roles", "IssuedAt", "ID")
	if diff := cmp.Diff(open, facts, ignore, cmpopts.EquateEmpty()); diff != "" || len(facts.Roles) != 2 {
		t.Errorf("%d roles; (-before +resumed):\n%s", len(facts.Roles), diff)
	}
	before := w.head()
	must(w.ResumeAccount(t.Context(), admin, w.account.ID))(t)
	if w.head() != before {
		t.Error("resuming what is not suspended bumped the revision")
	}

	events := must(w.AuditEvents(t.Context(), admin, w.tenant.ID, PageQuery{}))(t)
	reasons := map[string]string{}
	for _, e := range events.Items {
		reasons[e.Action] += e.Reason
	}
	if reasons["suspendAccount"] != "unpaid" {
		t.Errorf("audited = %v, want the reason once", reasons)
	}
	if _, ok := reasons["resumeAccount"]; !ok {
		t.Errorf("audited = %v, want resumeAccount", reasons)
	}
}

func TestWhatStaffSuspendedOnlyStaffResume(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w.SuspendAccount(t.Context(), w.owner, w.account.ID, "holidays"))(t)
	account := must(w.SuspendAccount(t.Context(), staff, w.account.ID, "abuse"))(t)
	if *account.SuspendedBy != SideStaff || account.SuspendReason != "abuse" {
		t.Errorf("account = %+v, want staff's word", account)
	}
	_, err := w.ResumeAccount(t.Context(), w.owner, w.account.ID)
	refused(t, err, fault.Forbidden)
	if account = must(w.SuspendAccount(t.Context(), w.owner, w.account.ID, ""))(t); *account.SuspendedBy != SideStaff {
		t.Error("the tenant took over what staff suspended")
	}
	if account = must(w.ResumeAccount(t.Context(), staff, w.account.ID))(t); account.Status() != AccountActive {
		t.Errorf("status = %s", account.Status())
	}
}

func TestBadReasonSuspendsNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	before := w.head()
	_, err := w.SuspendAccount(t.Context(), w.owner, w.account.ID, "tab\t")
	refused(t, err, fault.Invalid, "/reason")
	if w.head() != before || w.facts(w.account.PublicKey).Suspended {
		t.Error("a refused suspension changed something")
	}
}

func TestSuspendedAccountMayBePrepared(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w.SuspendAccount(t.Context(), w.owner, w.account.ID, ""))(t)
	w.credential(w.user("later"))
	must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Limits.Connections = 3; return nil }))(t)
	if facts := w.facts(w.account.PublicKey); !facts.Suspended {
		t.Error("an edit has opened the account")
	}
	must(w.ResumeAccount(t.Context(), w.owner, w.account.ID))(t)
	if facts := w.facts(w.account.PublicKey); facts.Limits.Connections != 3 {
		t.Errorf("connections = %d, want what was set meanwhile", facts.Limits.Connections)
	}
}
