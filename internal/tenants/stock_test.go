package tenants

import (
	"fmt"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

func TestPackHoldsEveryAccountAndTheSystemAccountOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan("max_accounts = -1")
	want := map[claims.AccountKey]bool{w.operator.SystemPublicKey: true, w.account.PublicKey: true}
	for i := range 9 {
		a := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: fmt.Sprint("a", i)}))(t)
		want[a.PublicKey] = true
	}
	w.delete()
	w.purge() // its tombstone stays
	var tokens []string
	for after := claims.AccountKey(""); ; {
		page := must(w.Pack(t.Context(), w.operator.ID, after, 4))(t)
		for _, a := range page {
			if !want[a.Key] || a.Key <= after {
				t.Errorf("%s came twice, out of order, or is not one of the operator's", a.Key)
			}
			delete(want, a.Key)
			tokens, after = append(tokens, a.JWT), a.Key
		}
		if len(page) < 4 {
			break
		}
	}
	if len(want) > 0 {
		t.Errorf("%v are missing", want)
	}
	if got := must(w.PackHash(t.Context(), w.operator.ID))(t); got != resolver.PackHash(tokens...) {
		t.Errorf("hash = %x, want %x as servers compute it", got, resolver.PackHash(tokens...))
	}
}

func TestMemoryConfigurationIsBounded(t *testing.T) {
	t.Parallel()
	w := setup(t)
	config := must(w.ServerConfig(t.Context(), staff, w.operator.ID, MemoryResolver, ""))(t)
	if !strings.Contains(config, string(w.account.PublicKey)) || !strings.Contains(config, string(w.operator.SystemPublicKey)) {
		t.Errorf("the configuration lacks an account:\n%s", config)
	}
	if _, err := w.pool.Exec(t.Context(), `
		INSERT INTO tombstones (operator_id, public_key, jwt, revision, created_at)
		SELECT $1, 'A' || n, '', 1, now() FROM generate_series(1, 10000) AS n`, w.operator.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, second(w.ServerConfig(t.Context(), staff, w.operator.ID, MemoryResolver, "")), fault.OverLimit)
	refused(t, second(w.ServerConfig(t.Context(), staff, w.operator.ID, "other", "")), fault.Invalid, "?type")
	refused(t, second(w.ServerConfig(t.Context(), staff, NewID[OperatorID]("opr"), FullResolver, "")), fault.NotFound)
}
