package tenants

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// purge ends the account's undo window and purges it.
func (w *world) purge() {
	w.t.Helper()
	must(w.PurgeAccount(w.t.Context(), w.owner, w.account.ID, w.account.Name))(w.t)
	if err := w.PurgeDue(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delete() {
	w.t.Helper()
	must(w.DeleteAccount(w.t.Context(), w.owner, w.account.ID, "", nil))(w.t)
}

func (w *world) retirement() Retirement {
	w.t.Helper()
	return must(w.Retirement(w.t.Context(), w.owner, w.account.ID))(w.t)
}

func TestDeletedAccountIsFrozenAndChangesNoMore(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, role := w.user("u"), w.role("r")
	credential := w.credential(user)
	before, limits := w.head(), w.facts(w.account.PublicKey).Limits
	w.delete()

	facts := w.facts(w.account.PublicKey)
	if facts.Tombstone || facts.Revoked[claims.AllUsers].IsZero() || facts.Limits.Connections != 0 || len(facts.Roles) != 2 {
		t.Errorf("what brokers must hold is not frozen: %+v", facts)
	}
	if facts.Limits.JetStream != limits.JetStream {
		t.Errorf("JetStream limits went from %+v to %+v: servers would touch what is stored", limits.JetStream, facts.Limits.JetStream)
	}
	if w.head() != before+1 {
		t.Errorf("head went from %d to %d", before, w.head())
	}
	account := must(w.Account(t.Context(), w.owner, w.account.ID))(t)
	if account.Status() != AccountDeleting || account.PurgeAt.Sub(*account.DeletingAt) != DefaultUndo {
		t.Errorf("account = %+v", account)
	}
	for status, want := range map[AccountStatus]int{AccountDeleting: 1, AccountActive: 0} {
		if page := must(w.Accounts(t.Context(), w.owner, w.tenant.ID, PageQuery{}, status))(t); len(page.Items) != want {
			t.Errorf("%d accounts are %s, want %d", len(page.Items), status, want)
		}
	}
	if use := must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t); use.Accounts != 1 {
		t.Errorf("%d accounts count, want 1: it can still be restored", use.Accounts)
	}
	for name, err := range map[string]error{
		"issue":           second(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{})),
		"revoke":          second(w.RevokeCredential(t.Context(), w.owner, credential.ID, "")),
		"delete its user": second(w.DeleteUser(t.Context(), w.owner, user.ID, "")),
		"delete its role": second(w.DeleteRole(t.Context(), w.owner, role.ID, "")),
		"a user in it":    second(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "v"})),
		"a role in it":    second(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "s", Template: claims.OpenTemplate()})),
		"update it":       second(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Name = "n"; return nil })),
		"update its role": second(w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error { s.Name = "n"; return nil })),
		"a window anew":   second(w.DeleteAccount(t.Context(), w.owner, w.account.ID, "", ptr(time.Duration(0)))),
	} {
		if !errors.Is(err, fault.Conflict) {
			t.Errorf("%s: err = %v, want Conflict", name, err)
		}
	}
	w.delete() // what is deleted already stays as it is
	if again := must(w.Account(t.Context(), w.owner, w.account.ID))(t); w.head() != before+1 || !again.PurgeAt.Equal(*account.PurgeAt) {
		t.Errorf("deleting it again changed something: head %d, %+v", w.head(), again)
	}
}

func TestRestoredAccountIsAsItWas(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	kept, gone := w.credential(user), w.credential(user)
	must(w.RevokeCredential(t.Context(), w.owner, gone.ID, ""))(t)
	before := w.facts(w.account.PublicKey)
	w.delete()
	account := must(w.RestoreAccount(t.Context(), w.owner, w.account.ID, ""))(t)
	if account.Status() != AccountActive || account.PurgeAt != nil || account.Revision != w.head() {
		t.Errorf("account = %+v", account)
	}
	after := w.facts(w.account.PublicKey)
	if diff := cmp.Diff(before.Account, after.Account); diff != "" {
		t.Errorf("its claims differ (-before +after):\n%s", diff)
	}
	if c := must(w.Credential(t.Context(), w.owner, kept.ID))(t); c.RevokedAt != nil {
		t.Errorf("its credential is revoked")
	}
	head := w.head()
	must(w.RestoreAccount(t.Context(), w.owner, w.account.ID, ""))(t)
	if w.head() != head {
		t.Error("restoring what is not being deleted is a change")
	}
	if err := w.PurgeDue(t.Context()); err != nil || w.facts(w.account.PublicKey).Tombstone {
		t.Errorf("it was purged all the same: %v", err)
	}
}

func TestUndoWindowDecidesWhenAnAccountIsPurged(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.at(time.Now().AddDate(1, 0, 0)) // this replica's clock is ahead
	must(w.DeleteAccount(t.Context(), w.owner, w.account.ID, "", ptr(time.Hour)))(t)
	purged := func() bool {
		t.Helper()
		if err := w.PurgeDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		return w.facts(w.account.PublicKey).Tombstone
	}
	later := func(by time.Duration) {
		t.Helper()
		if _, err := w.pool.Exec(t.Context(), `UPDATE accounts SET purge_at = purge_at - $1::interval`, by); err != nil {
			t.Fatal(err)
		}
	}
	later(time.Hour - time.Minute)
	if purged() || w.retirement().Phase != Frozen {
		t.Errorf("it is %s before its window is over", w.retirement().Phase)
	}
	later(time.Minute)
	if !purged() {
		t.Error("it is not purged when its window is over")
	}
	refused(t, second(w.RestoreAccount(t.Context(), w.owner, w.account.ID, "")), fault.NotFound)
	for _, undo := range []time.Duration{-time.Second, MaxUndo + time.Second} {
		refused(t, second(w.DeleteAccount(t.Context(), w.owner, w.account.ID, "", ptr(undo))), fault.Invalid, "?undo")
	}
}

func TestPurgingWaitsForBrokersThatCanBeReached(t *testing.T) {
	t.Parallel()
	w := setup(t)
	broker := w.broker("broker-1")
	applied := func(revision feed.Revision) {
		t.Helper()
		if err := feed.RecordReceipt(t.Context(), w.pool, string(w.operator.ID), feed.Receipt{BrokerKey: string(broker.PublicKey), Applied: revision}); err != nil {
			t.Fatal(err)
		}
	}
	applied(w.head())
	w.delete()
	w.purge()
	if got := w.retirement(); got.Phase != Draining || got.DeletedAt != nil {
		t.Errorf("it is %s while a broker has not frozen it", got.Phase)
	}
	applied(w.head())
	w.purge()
	if got := w.retirement(); got.Phase != Verifying || got.DeletedAt == nil {
		t.Errorf("it is %s once the broker has frozen it, want verifying", got.Phase)
	}
}

func TestAccountIsDoneWhenEveryBrokerHasLooked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first, other := w.broker("broker-1"), w.broker("broker-2")
	w.delete()
	w.purge()
	report := func(b Broker, verified feed.Revision, found ...DiskFind) []claims.AccountKey {
		t.Helper()
		return must(w.RecordDisk(t.Context(), w.operator.ID, DiskReport{Broker: b.PublicKey, Verified: verified, Found: found}))(t)
	}
	want := func(phase RetirementPhase) {
		t.Helper()
		if got := w.retirement(); got.Phase != phase || (got.PurgedAt != nil) != (phase == Purged) {
			t.Errorf("phase = %s, purged at %v; want %s", got.Phase, got.PurgedAt, phase)
		}
	}
	want(Verifying)
	report(first, w.head()-1) // does not know the tombstone yet
	report(other, w.head())
	want(Verifying)
	foreign := claims.AccountKey("AD2N5KJWKXL4PUQAWFRVUJ54ZSSDKAGWD5OFTEDOKGKVTGQDQ4NG5ONK")
	live := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "live"}))(t)
	erase := report(first, w.head(), DiskFind{Account: w.account.PublicKey, Bytes: 512, Error: "no space left on device"},
		DiskFind{Account: foreign, Bytes: 1}, DiskFind{Account: live.PublicKey, Bytes: 1})
	if len(erase) != 1 || erase[0] != w.account.PublicKey {
		t.Errorf("the broker is to erase %v; want the deleted account alone", erase)
	}
	want(Purging)
	if d := w.retirement().Disks[0]; d.Bytes != 512 || d.Error == "" || d.Verified {
		t.Errorf("the first broker's disk: %+v", d)
	}
	report(first, w.head(), DiskFind{Account: w.account.PublicKey, Bytes: 512, Gone: true})
	report(other, w.head())
	want(Purged)
	if d := w.retirement().Disks[0]; !d.Verified || d.Error != "" {
		t.Errorf("the first broker's disk: %+v", d)
	}
	report(first, w.head(), DiskFind{Account: w.account.PublicKey, Bytes: 7}) // its disk came back from a copy
	if got := w.retirement().Phase; got != Purging {
		t.Errorf("phase = %s, want purging again", got)
	}
	report(first, w.head())
	want(Purged)
}

func TestSeedsAreForgottenWithThePurge(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.role("r")
	w.delete()
	w.purge()
	var left int
	err := w.pool.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM accounts WHERE id = $1 AND sealed_seed <> '') + (SELECT count(*) FROM roles WHERE account_id = $1 AND sealed_seed <> '')`,
		w.account.ID).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d seeds are left, %v", left, err)
	}
}

func TestPurgeWantsTheNameOfAnAccountThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	refused(t, second(w.PurgeAccount(t.Context(), w.owner, w.account.ID, w.account.Name)), fault.Conflict)
	w.delete()
	refused(t, second(w.PurgeAccount(t.Context(), w.owner, w.account.ID, "another")), fault.Invalid, "/name")
	if got := w.retirement().Phase; got != Frozen {
		t.Errorf("phase = %s, want frozen", got)
	}
}

// Its row says neither since when nor until when: it had its tombstone at once.
func TestAccountDeletedBeforeThatCouldBeUndoneIsFinishedToo(t *testing.T) {
	t.Parallel()
	w := setup(t)
	broker := w.broker("broker-1")
	w.delete()
	w.purge()
	if _, err := w.pool.Exec(t.Context(), `UPDATE accounts SET deleting_at = NULL, purge_at = NULL, sealed_seed = 'left'`); err != nil {
		t.Fatal(err)
	}
	if got := w.retirement().Phase; got != Verifying {
		t.Errorf("phase = %s, want verifying", got)
	}
	must(w.RecordDisk(t.Context(), w.operator.ID, DiskReport{Broker: broker.PublicKey, Verified: w.head()}))(t)
	var seed string
	if err := w.pool.QueryRow(t.Context(), `SELECT sealed_seed::text FROM accounts`).Scan(&seed); err != nil || seed != `\x` {
		t.Errorf("sealed seed = %q, %v", seed, err)
	}
	if got := w.retirement(); got.Phase != Purged || got.PurgedAt == nil {
		t.Errorf("retirement = %+v, want it done", got)
	}
}
