package tenants

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

func operatorFacts(t testing.TB, o Operator) claims.OperatorFacts {
	t.Helper()
	return must(claims.DecodeOperator(o.JWT))(t)
}

func TestOperatorsAreMany(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec := OperatorSpec{Name: "Europe", Tags: []string{"region:eu"}}
	europe := must(w.CreateOperator(t.Context(), staff, Once{}, spec))(t)
	facts := operatorFacts(t, europe)
	if facts.Name != "Europe" || fmt.Sprint(facts.Tags) != "[region:eu]" || !facts.Strict || facts.SystemAccount != europe.SystemPublicKey || europe.IsDefault {
		t.Errorf("operator %+v, its JWT %+v", europe, facts)
	}
	_, err := w.CreateOperator(t.Context(), staff, Once{}, spec)
	refused(t, err, fault.Conflict, "/name")
	_, err = w.CreateOperator(t.Context(), staff, Once{}, OperatorSpec{Name: "\n", Tags: []string{"signalbox-x"}})
	refused(t, err, fault.Invalid, "/name", "/tags/0")
	_, err = w.CreateOperator(t.Context(), w.owner, Once{}, spec)
	refused(t, err, fault.Forbidden)

	account := must(w.CreateAccount(t.Context(), staff, w.tenant.ID, Once{}, AccountCreate{OperatorID: europe.ID, Name: "in Europe"}))(t)
	if account.OperatorID != europe.ID {
		t.Errorf("account = %+v", account)
	}
	jwt := must(w.AccountJWTByKey(t.Context(), europe.ID, account.PublicKey))(t)
	if signed := must(claims.DecodeAccount(jwt.JWT))(t); signed.Issuer != europe.SigningPublicKey {
		t.Errorf("signed by %s, want Europe's %s", signed.Issuer, europe.SigningPublicKey)
	}
	_, err = w.AccountJWTByKey(t.Context(), w.operator.ID, account.PublicKey)
	refused(t, err, fault.NotFound)
	_, err = w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{OperatorID: europe.ID, Name: "b"})
	refused(t, err, fault.Invalid, "/operator_id")
	_, err = w.CreateAccount(t.Context(), staff, w.tenant.ID, Once{}, AccountCreate{OperatorID: NewID[OperatorID]("opr"), Name: "b"})
	refused(t, err, fault.Invalid, "/operator_id")

	renamed := must(w.UpdateOperator(t.Context(), staff, europe.ID, ETag(1), func(s *OperatorSpec) error { s.Tags = append(s.Tags, "tier:gold"); return nil }))(t)
	if got := operatorFacts(t, renamed); fmt.Sprint(got.Tags) != "[region:eu tier:gold]" || got.SigningKeys[0] != europe.SigningPublicKey || renamed.Version != 2 {
		t.Errorf("renamed %+v, its JWT %+v", renamed, got)
	}
	_, err = w.UpdateOperator(t.Context(), staff, europe.ID, ETag(1), func(s *OperatorSpec) error { s.Name = "x"; return nil })
	refused(t, err, fault.Stale)

	must(w.MakeDefaultOperator(t.Context(), staff, europe.ID))(t)
	if again := must(w.Bootstrap(t.Context()))(t); again.ID != europe.ID {
		t.Errorf("the default operator is %s", again.Name)
	}
	_, tenant, err := w.tryFound("No account yet")
	if err != nil {
		t.Fatal(err)
	}
	if n := must(planUse(t.Context(), w.pool, tenant.ID))(t).Accounts; n != 0 {
		t.Errorf("who signs up has %d accounts, want none: the operator says so", n)
	}
	must(w.UpdateOperator(t.Context(), staff, europe.ID, "", func(s *OperatorSpec) error { s.FirstAccount = true; return nil }))(t)
	if _, _, first := w.found("With account"); first.OperatorID != europe.ID {
		t.Errorf("the first account is under %s", first.OperatorID)
	}
}

// confirm has the broker say that it goes by the operator's JWT as it is now.
func (w *world) confirm(seat Seat) {
	w.t.Helper()
	id := must(w.OperatorJWTID(w.t.Context(), w.operator.ID))(w.t)
	must(w.AnnounceBroker(w.t.Context(), seat.Token, seat.Broker.ID, brokerSpec("b").BrokerPlace, GoesBy{OperatorJWTID: id}))(w.t)
}

// receives has the broker confirm all revisions.
func (w *world) receives(seat Seat) {
	w.t.Helper()
	receipt := feed.Receipt{BrokerKey: string(seat.Broker.PublicKey), Applied: w.head()}
	if err := feed.RecordReceipt(w.t.Context(), w.pool, string(w.operator.ID), receipt); err != nil {
		w.t.Fatal(err)
	}
}

func TestSigningKeyRotatesBrokersFirst(t *testing.T) {
	t.Parallel()
	w := setup(t)
	old := w.operator.SigningPublicKey
	gone := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "gone"}))(t)
	must(w.DeleteAccount(t.Context(), w.owner, gone.ID, "", nil))(t)
	must(w.PurgeAccount(t.Context(), w.owner, gone.ID, "gone"))(t)
	if err := w.PurgeDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	seats := []Seat{
		must(w.EnrollBroker(t.Context(), w.enrollmentToken(1), newUserKey(t), brokerSpec("b1")))(t),
		must(w.EnrollBroker(t.Context(), w.enrollmentToken(1), newUserKey(t), brokerSpec("b2")))(t),
	}
	issuer := func(key claims.AccountKey) claims.OperatorKey {
		stored := must(w.AccountJWTByKey(t.Context(), w.operator.ID, key))(t)
		return must(claims.DecodeAccount(stored.JWT))(t).Issuer
	}
	operation := must(w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, false))(t)
	_, err := w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, false)
	refused(t, err, fault.Conflict)
	keys := must(w.SigningKeys(t.Context(), staff, w.operator.ID))(t)
	if len(keys) != 2 || keys[0].Status != KeyActive || keys[1].Status != KeyNext {
		t.Fatalf("keys = %+v", keys)
	}
	next := keys[1].PublicKey

	w.confirm(seats[0])
	if waits := w.finished(operation); waits.Stage != stageTrusting || !contains(waits.Detail, "b2") || contains(waits.Detail, "b1,") {
		t.Errorf("one broker does not know the key: %+v", waits)
	}
	during := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "during"}))(t)
	if got := issuer(during.PublicKey); got != old {
		t.Errorf("an account is signed by %s before every broker trusts it", got)
	}

	w.confirm(seats[1])
	waits := w.finished(operation)
	if waits.Stage != stageDelivering || waits.Done != 3 || waits.Total != 3 || !contains(waits.Detail, "b1, b2") {
		t.Errorf("signed, and nobody has it: %+v", waits)
	}
	for _, key := range []claims.AccountKey{w.account.PublicKey, during.PublicKey, gone.PublicKey, w.operator.SystemPublicKey} {
		if got := issuer(key); got != next {
			t.Errorf("%s is signed by %s, want the next key", key, got)
		}
	}
	w.receives(seats[0])
	w.receives(seats[1])
	if waits = w.finished(operation); waits.Stage != stageRetiring || !contains(waits.Detail, "b1, b2") {
		t.Errorf("delivered: %+v", waits)
	}
	now := must(w.Operator(t.Context(), staff, w.operator.ID))(t)
	if facts := operatorFacts(t, now); fmt.Sprint(facts.SigningKeys) != fmt.Sprint([]claims.OperatorKey{next}) || now.SigningPublicKey != next {
		t.Errorf("the operator trusts %v", facts.SigningKeys)
	}
	w.confirm(seats[0])
	w.confirm(seats[1])
	if done := w.finished(operation); done.FinishedAt == nil {
		t.Errorf("done = %+v", done)
	}
	keys = must(w.SigningKeys(t.Context(), staff, w.operator.ID))(t)
	if keys[0].Status != KeyRetired || keys[0].RetiredAt == nil || keys[1].Status != KeyActive {
		t.Errorf("keys = %+v", keys)
	}
	if n := must(value[int64](t.Context(), w.pool, `SELECT count(*) FROM operator_signing_keys WHERE status = 'retired' AND sealed_seed <> ''`, pgx.StrictNamedArgs{}))(t); n != 0 {
		t.Error("a retired key's seed is kept")
	}
}

// An account whose transaction read the old key must not be missed, though it
// commits after the rotation has begun.
func TestRotationWaitsForWhoeverSignsWithTheOldKey(t *testing.T) {
	t.Parallel()
	w := setup(t)
	operation := must(w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, false))(t)
	stepped := make(chan error, 1)
	err := postgres.InTx(t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.addAccount(t.Context(), tx, w.owner, w.tenant.ID, NewID[AccountID]("acc"), AccountCreate{Name: "late"}, w.clock())
		if err != nil {
			return err
		}
		go func() { stepped <- w.StepOperations(t.Context()) }()
		w.waitForLock("pg_advisory_xact_lock(")
		return nil
	})
	if err := errors.Join(err, <-stepped); err != nil {
		t.Fatal(err)
	}
	if done := w.finished(operation); done.FinishedAt == nil || done.Done != 2 || done.Total != 2 {
		t.Errorf("done = %+v", done)
	}
	for _, account := range must(w.Accounts(t.Context(), w.owner, w.tenant.ID, PageQuery{}))(t).Items {
		stored := must(w.AccountJWTByKey(t.Context(), w.operator.ID, account.PublicKey))(t)
		if issuer := must(claims.DecodeAccount(stored.JWT))(t).Issuer; issuer == w.operator.SigningPublicKey {
			t.Errorf("%s is signed by the old key", account.Name)
		}
	}
}

// waitForLock returns once somebody's statement with that in it waits for a lock.
func (w *world) waitForLock(statement string) {
	w.t.Helper()
	for {
		var waiting bool
		err := w.pool.QueryRow(w.t.Context(), `
			SELECT EXISTS (
				SELECT
				FROM pg_stat_activity
				WHERE datname = current_database()
				AND wait_event_type = 'Lock'
				AND strpos(query, $1) > 0
			)`, statement).Scan(&waiting)
		if err != nil {
			w.t.Error(err)
			return
		}
		if waiting {
			return
		}
	}
}

func TestAttachedServersMustBeRestartedBeforeARotation(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w.AttachServer(t.Context(), staff, w.operator.ID, Once{}, ServerSpec{Name: "stock", URLs: []string{"nats://127.0.0.1:1"}}))(t)
	_, err := w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, false)
	refused(t, err, fault.Conflict)
	_, err = w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, true)
	refused(t, err, fault.Invalid, "/servers_restarted")
	if keys := must(w.SigningKeys(t.Context(), staff, w.operator.ID))(t); len(keys) != 1 {
		t.Errorf("a refused rotation made a key: %+v", keys)
	}
	must(w.AddSigningKey(t.Context(), staff, w.operator.ID))(t)
	_, err = w.AddSigningKey(t.Context(), staff, w.operator.ID)
	refused(t, err, fault.Conflict)
	must(w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, true))(t)
}
