package tenants

import (
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// held is what brokers must hold by all three ways of asking.
func (w *world) held() map[claims.AccountKey]AccountJWT {
	w.t.Helper()
	changes, _, err := w.ChangesSince(w.t.Context(), w.operator.ID, 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	all, sums := map[claims.AccountKey]AccountJWT{}, map[string]int64{}
	for _, c := range changes {
		all[c.Key] = c
		sums[string(c.Key)[:4]] ^= resolver.SumOf(string(c.Key), c.JWT)
	}
	stored := must(w.HeldSums(w.t.Context(), w.operator.ID))(w.t)
	var buckets []string
	for bucket, sum := range sums {
		if stored[bucket] != sum {
			w.t.Errorf("sum of %s = %d, want %d as brokers compute it", bucket, stored[bucket], sum)
		}
		buckets = append(buckets, bucket)
	}
	short := must(w.Held(w.t.Context(), w.operator.ID, buckets))(w.t)
	for _, h := range short {
		if c := all[h.Key]; h.Sum != resolver.SumOf(string(h.Key), c.JWT) || h.Revision != c.Revision {
			w.t.Errorf("held %+v is not %+v", h, c)
		}
	}
	if len(short) != len(all) || len(stored) != len(sums) {
		w.t.Errorf("%d accounts in %d buckets are held, want %d in %d", len(short), len(stored), len(all), len(sums))
	}
	return all
}

func TestRepairSendsTheSameJWTAtANewRevision(t *testing.T) {
	t.Parallel()
	w := setup(t)
	other := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "other"}))(t)
	before, head := w.held(), w.head()

	if err := w.RepairDrift(t.Context(), staff, w.operator.ID, Repair{Again: []claims.AccountKey{w.account.PublicKey}}); err != nil {
		t.Fatal(err)
	}

	after := w.held()
	if got := after[w.account.PublicKey]; got.JWT != before[w.account.PublicKey].JWT || got.Revision != head+1 {
		t.Errorf("after: %+v, want the same JWT at %d", got, head+1)
	}
	if after[other.PublicKey] != before[other.PublicKey] {
		t.Error("an account that did not drift changed")
	}
}

func TestRepairGoesPastWhatBrokersKnow(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, past := range []feed.Revision{1000, 10} {
		if err := w.RepairDrift(t.Context(), staff, w.operator.ID, Repair{Again: []claims.AccountKey{w.account.PublicKey}, Past: past}); err != nil {
			t.Fatal(err)
		}
	}
	if w.head() != 1002 || w.held()[w.account.PublicKey].Revision != 1002 {
		t.Errorf("head = %d, want 1002: past 1000, and never back", w.head())
	}
	if err := w.RepairDrift(t.Context(), staff, w.operator.ID, Repair{Again: []claims.AccountKey{w.account.PublicKey}, Past: 1 << 62}); err != nil {
		t.Fatal(err)
	}
	if w.head() > 1<<33 {
		t.Errorf("head = %d: one broker's word used up the revisions", w.head())
	}
}

func TestForeignAccountGetsATombstone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	seed := must(claims.NewAccountSeed())(t)
	foreign := must(seed.AccountKey())(t)
	for range 2 { // and again, when a broker did not take it
		repair := Repair{Foreign: []claims.AccountKey{foreign, w.account.PublicKey}} // one that is ours stays alive
		if err := w.RepairDrift(t.Context(), staff, w.operator.ID, repair); err != nil {
			t.Fatal(err)
		}
		if !w.facts(foreign).Tombstone {
			t.Error("the foreign account has no tombstone")
		}
		if w.facts(w.account.PublicKey).Tombstone {
			t.Error("an account of ours got a tombstone")
		}
	}
	if err := w.RepairDrift(t.Context(), staff, w.operator.ID, Repair{Again: []claims.AccountKey{foreign}}); err != nil {
		t.Fatal(err)
	}
	if got := w.held()[foreign].Revision; got != w.head() {
		t.Errorf("the tombstone is at %d, want it sent again at %d", got, w.head())
	}
	events := must(value[int](t.Context(), w.pool, `SELECT count(*) FROM audit_events WHERE action = 'repairDrift' AND tenant_id IS NULL`, nil))(t)
	if events != 3 {
		t.Errorf("%d repairs are in the audit, want 3", events)
	}
}
