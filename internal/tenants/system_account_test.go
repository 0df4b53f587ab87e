package tenants

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// announces has the broker say which system account its server is in.
func (w *world) announces(seat Seat, system claims.AccountKey) Seat {
	w.t.Helper()
	id := must(w.OperatorJWTID(w.t.Context(), w.operator.ID))(w.t)
	return must(w.AnnounceBroker(w.t.Context(), seat.Token, seat.Broker.ID, brokerSpec("b").BrokerPlace, GoesBy{OperatorJWTID: id, System: system}))(w.t)
}

// issuerOf is the system account that the seat's user is in.
func (w *world) issuerOf(seat Seat) claims.AccountKey {
	w.t.Helper()
	return must(claims.DecodeUser(seat.BrokerJWT))(w.t).Account
}

func TestSystemAccountIsRetiredWhenTheLastBrokerIsInTheNext(t *testing.T) {
	t.Parallel()
	w := setup(t)
	old := w.operator.SystemPublicKey
	first := must(w.EnrollBroker(t.Context(), w.enrollmentToken(1), newUserKey(t), brokerSpec("b1")))(t)
	second := must(w.EnrollBroker(t.Context(), w.enrollmentToken(1), newUserKey(t), brokerSpec("b2")))(t)
	if _, err := w.pool.Exec(t.Context(), `UPDATE brokers SET system_public_key = '' WHERE name = 'b2'`); err != nil { // as earlier versions enrolled it
		t.Fatal(err)
	}

	operation := must(w.RotateSystemAccount(t.Context(), staff, Once{}, w.operator.ID))(t)
	now := must(w.Operator(t.Context(), staff, w.operator.ID))(t)
	if facts := operatorFacts(t, now); now.SystemPublicKey == old || facts.SystemAccount != now.SystemPublicKey {
		t.Errorf("the operator's JWT names %s, its row %s", facts.SystemAccount, now.SystemPublicKey)
	}
	_, err := w.RotateSystemAccount(t.Context(), staff, Once{}, w.operator.ID)
	refused(t, err, fault.Conflict)
	_, err = w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, false)
	refused(t, err, fault.Conflict)

	if seat := w.announces(first, old); seat.System.Key != now.SystemPublicKey || w.issuerOf(seat) != now.SystemPublicKey {
		t.Errorf("who says where it is gets a seat in %s", seat.System.Key)
	}
	if seat := w.announces(second, ""); seat.System.Key != old || w.issuerOf(seat) != old {
		t.Errorf("who does not say where it is gets a seat in %s", seat.System.Key)
	}
	if waits := w.finished(operation); waits.Stage != stageRestarting || !contains(waits.Detail, "b1, b2") {
		t.Errorf("nobody has restarted: %+v", waits)
	}
	if _, _, err := w.SystemUser(t.Context(), w.operator.ID, old, "control", claims.OpenTemplate()); err != nil {
		t.Errorf("control cannot speak to those in the old one: %v", err)
	}
	if _, err := w.AccountJWTByKey(t.Context(), w.operator.ID, old); !errors.Is(err, fault.NotFound) {
		t.Errorf("brokers in the new one are given the old one: %v", err)
	}

	w.announces(first, now.SystemPublicKey)
	if waits := w.finished(operation); waits.Done != 1 || waits.Total != 2 || !contains(waits.Detail, "b2") || contains(waits.Detail, "b1,") {
		t.Errorf("one has restarted: %+v", waits)
	}
	w.announces(second, now.SystemPublicKey)
	if done := w.finished(operation); done.FinishedAt == nil || done.Done != 2 {
		t.Errorf("both have restarted: %+v", done)
	}

	if n := must(value[int64](t.Context(), w.pool, `SELECT count(*) FROM former_system_accounts WHERE retired_at IS NULL OR sealed_seed <> ''`, pgx.StrictNamedArgs{}))(t); n != 0 {
		t.Error("the old one's seed is kept")
	}
	_, _, err = w.SystemUser(t.Context(), w.operator.ID, old, "control", claims.OpenTemplate())
	refused(t, err, fault.NotFound)
	buried := must(w.AccountJWTByKey(t.Context(), w.operator.ID, old))(t)
	if facts := must(claims.DecodeAccount(buried.JWT))(t); len(facts.Revoked) != 1 || buried.Revision == 0 {
		t.Errorf("the old one's last JWT is %+v of revision %d", facts, buried.Revision)
	}
	if seat := w.announces(first, old); w.issuerOf(seat) != now.SystemPublicKey {
		t.Error("a broker that comes back with an old seat does not get the new one")
	}
	_, err = w.AnnounceBroker(t.Context(), first.Token, first.Broker.ID, brokerSpec("b").BrokerPlace, GoesBy{System: w.account.PublicKey})
	refused(t, err, fault.Invalid, "/system_account_public_key")
}

func TestAttachedServersAreDetachedBeforeTheSystemAccountRotates(t *testing.T) {
	t.Parallel()
	w := setup(t)
	must(w.AttachServer(t.Context(), staff, w.operator.ID, Once{}, ServerSpec{Name: "stock", URLs: []string{"nats://127.0.0.1:1"}}))(t)
	_, err := w.RotateSystemAccount(t.Context(), staff, Once{}, w.operator.ID)
	refused(t, err, fault.Conflict)
	if now := must(w.Operator(t.Context(), staff, w.operator.ID))(t); now.SystemPublicKey != w.operator.SystemPublicKey {
		t.Error("a refused rotation made a system account")
	}
}
