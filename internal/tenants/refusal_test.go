package tenants

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/claims"
)

func (w *world) refusals(of Account) []RefusedLogin {
	w.t.Helper()
	return must(w.RefusedLogins(w.t.Context(), w.owner, of.ID, PageQuery{Limit: 200}))(w.t).Items
}

func (w *world) reportRefused(broker Broker, reports ...RefusalReport) {
	w.t.Helper()
	if err := w.RecordRefusals(w.t.Context(), w.operator.ID, broker.PublicKey, reports); err != nil {
		w.t.Fatal(err)
	}
}

func TestRefusedLoginsAreToldApartCountedAndNamed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	broker := w.broker("b1")
	user := w.user("sensor")
	credential := w.credential(user)
	now := time.Now().UTC().Truncate(time.Millisecond)
	w.at(now)
	revoked := RefusalReport{AccountKey: w.account.PublicKey, UserKey: string(credential.PublicKey), Reason: "credential_revoked",
		ConnectionType: "MQTT", Address: "192.0.2.7", Count: 2, FirstAgo: time.Minute, LastAgo: time.Second}
	stranger := RefusalReport{AccountKey: w.account.PublicKey, UserKey: "no key", Reason: "malformed", Count: 1}
	another := stranger
	another.UserKey = "no key either"

	w.reportRefused(broker, revoked, stranger, another)
	later := revoked
	later.Count, later.FirstAgo, later.LastAgo, later.Detail = 3, 0, 0, "revoked just now"
	w.at(now.Add(time.Hour))
	w.reportRefused(broker, later)

	got := w.refusals(w.account)
	want := []RefusedLogin{
		{AccountID: w.account.ID, Broker: "b1", UserPublicKey: credential.PublicKey, UserID: &user.ID, UserName: &user.Name,
			CredentialID: &credential.ID, CredentialName: ptr(""), Reason: "credential_revoked", ConnectionType: "MQTT",
			Address: "192.0.2.7", Detail: "revoked just now", Count: 5, FirstAt: now.Add(-time.Minute), LastAt: now.Add(time.Hour)},
		{AccountID: w.account.ID, Broker: "b1", Reason: "malformed", Count: 2, FirstAt: now, LastAt: now},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(RefusedLogin{}, "ID")); diff != "" {
		t.Errorf("refused logins (-want +got):\n%s", diff)
	}
	w.at(now.Add(refusalsFor + time.Minute))
	if got := w.refusals(w.account); len(got) != 1 || got[0].Reason != "credential_revoked" {
		t.Errorf("after a week: %+v, want the one that was reported an hour later", got)
	}
}

func TestRefusedLoginsOfAnAccountAreBounded(t *testing.T) {
	t.Parallel()
	w := setup(t)
	broker := w.broker("b1")
	calm := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "calm"}))(t)
	w.reportRefused(broker, RefusalReport{AccountKey: calm.PublicKey, Reason: "bad_signature", Count: 1})
	for i := range 2 {
		var storm []RefusalReport
		for j := range 400 {
			storm = append(storm, RefusalReport{AccountKey: w.account.PublicKey, Reason: "malformed",
				Address: fmt.Sprintf("192.0.%d.%d", i*2+j/200, j%200), Detail: strings.Repeat("\x00\xffé", 1000), Count: 1})
		}
		w.reportRefused(broker, storm...)
	}

	stored := must(value[int64](t.Context(), w.pool, "SELECT count(*) FROM refused_logins", nil))(t)
	if stored != refusalsKept+1 {
		t.Errorf("%d are stored, want %d and the other account's", stored, refusalsKept)
	}
	newest := w.refusals(w.account)
	if len(newest) != 200 || len(newest[0].Detail) > maxRefusalWords || !strings.HasPrefix(newest[0].Detail, "éé") {
		t.Errorf("the first page has %d, the newest with %d bytes of detail", len(newest), len(newest[0].Detail))
	}
	if got := w.refusals(calm); len(got) != 1 {
		t.Errorf("the calm account has %d, want its one", len(got))
	}
}

func TestRefusalsOfWhatIsNotTheOperatorsAreNotKept(t *testing.T) {
	t.Parallel()
	w := setup(t)
	broker := w.broker("b1")
	invented := must(must(claims.NewAccountSeed())(t).AccountKey())(t)
	w.reportRefused(broker, RefusalReport{AccountKey: invented, Reason: "account_unknown", Count: 1},
		RefusalReport{AccountKey: w.operator.SystemPublicKey, Reason: "bad_signature", Count: 1})
	ours := RefusalReport{AccountKey: w.account.PublicKey, Reason: "bad_signature", Count: 1}
	w.reportRefused(Broker{PublicKey: newUserKey(t)}, ours)
	stranger := w.foreignBroker("b1")
	w.reportRefused(stranger, ours)
	if err := w.RecordRefusals(t.Context(), stranger.OperatorID, stranger.PublicKey, []RefusalReport{ours}); err != nil {
		t.Fatal(err)
	}
	if stored := must(value[int64](t.Context(), w.pool, "SELECT count(*) FROM refused_logins", nil))(t); stored != 0 {
		t.Errorf("%d are stored, want none", stored)
	}
}

// Two reports on an account whose log is full each change rows that are the
// oldest to the other, which prunes while that is not committed.
func TestReportsOfRefusalsAtOncePruneAFullLogWithoutWaiting(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const half, more = refusalsKept / 2, 50
	report := func(from, to int) (all []RefusalReport) {
		for i := from; i < to; i++ {
			all = append(all, RefusalReport{AccountKey: w.account.PublicKey, Reason: "malformed", Address: fmt.Sprint(i), Count: 1})
		}
		return all
	}
	brokers := []Broker{w.broker("b1"), w.broker("b2")}
	for _, part := range [][]RefusalReport{report(0, more), report(more, half)} {
		for _, broker := range brokers {
			w.reportRefused(broker, part...)
		}
	}

	var times atomic.Int64
	var g errgroup.Group
	var added sync.WaitGroup
	added.Add(len(brokers))
	for _, broker := range brokers {
		s, calls := New(w.pool, w.keys), 0
		s.now = func() time.Time { // asked before rows are added, and before they are pruned
			times.Add(1)
			if calls++; calls == 2 {
				added.Done()
				added.Wait()
			}
			return time.Now()
		}
		again := append(report(0, more), report(half, half+more)...)
		g.Go(func() error { return s.RecordRefusals(t.Context(), w.operator.ID, broker.PublicKey, again) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := times.Load(); n != 4 {
		t.Errorf("the clock was read %d times, want 4: a report was begun again", n)
	}
	w.reportRefused(brokers[0], report(0, 1)...)
	stored := must(value[int64](t.Context(), w.pool, "SELECT count(*) FROM refused_logins", nil))(t)
	twice := must(value[int64](t.Context(), w.pool, "SELECT count(*) FROM refused_logins WHERE count > 1", nil))(t)
	if stored != refusalsKept || twice != 2*more {
		t.Errorf("%d are stored and %d were reported again, want %d and %d", stored, twice, refusalsKept, 2*more)
	}
}
