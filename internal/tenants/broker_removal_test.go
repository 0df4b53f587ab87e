package tenants

import (
	"errors"
	"slices"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// seat enrols a broker of that name.
func (w *world) seat(name string) Seat {
	w.t.Helper()
	return must(w.EnrollBroker(w.t.Context(), w.enrollmentToken(1), newUserKey(w.t), brokerSpec(name)))(w.t)
}

// asks is the broker as the ledger sees it.
func (w *world) asks(b Broker) *asker {
	return &asker{w: w, key: b.PublicKey, Ask: lease.Ask{Broker: string(b.PublicKey), Incarnation: 1}}
}

// silence has the broker have been heard too long ago to be connected.
func (w *world) silence(b Broker) {
	w.t.Helper()
	_, err := w.pool.Exec(w.t.Context(), `UPDATE receipts SET heard_at = heard_at - interval '11 seconds' WHERE broker_key = $1`, b.PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
}

// mentions are the tables that hold anything of a broker, the audit log aside.
func (w *world) mentions(b Broker) (tables []string) {
	w.t.Helper()
	for table, column := range map[string]string{"brokers": "public_key", "receipts": "broker_key", "disks": "broker_key",
		"erasures": "broker_key", "lease_brokers": "broker_key", "connection_shares": "broker_key"} {
		var n int
		if err := w.pool.QueryRow(w.t.Context(), `SELECT count(*) FROM `+table+` WHERE `+column+` = $1`, b.PublicKey).Scan(&n); err != nil {
			w.t.Fatal(err)
		}
		if n > 0 {
			tables = append(tables, table)
		}
	}
	slices.Sort(tables)
	return tables
}

func TestNothingIsLeftOfARemovedBroker(t *testing.T) {
	t.Parallel()
	w := setup(t)
	doomed := w.account
	w.account = must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "counted"}))(t)
	w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 3})
	mqtt := lease.TypeKey(string(w.account.PublicKey), "MQTT")
	stays, goes := w.seat("stays"), w.seat("goes")
	for _, seat := range []Seat{stays, goes} {
		w.receives(seat)
	}
	if got := w.asks(goes.Broker).take(mqtt, 0, 3); got.Places != 3 {
		t.Fatalf("the broker got %+v, want all 3 places", got)
	}
	must(w.DeleteAccount(t.Context(), w.owner, doomed.ID, "", nil))(t)
	must(w.PurgeAccount(t.Context(), w.owner, doomed.ID, doomed.Name))(t)
	w.receives(stays)
	w.receives(goes)
	if err := w.PurgeDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, seat := range []Seat{stays, goes} {
		gone := seat.Broker.ID == stays.Broker.ID
		report := DiskReport{Broker: seat.Broker.PublicKey, Verified: w.head(), Found: []DiskFind{{Account: doomed.PublicKey, Gone: gone, Bytes: 7}}}
		must(w.RecordDisk(t.Context(), w.operator.ID, report))(t)
	}
	rotation := must(w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, false))(t)
	w.confirm(stays)
	if o := w.finished(rotation); !contains(o.Detail, "goes") {
		t.Errorf("the rotation = %+v, want it to wait for the broker", o)
	}
	if got := w.mentions(goes.Broker); len(got) != 6 {
		t.Fatalf("before, only %v mention the broker", got)
	}
	other := must(w.CreateOperator(t.Context(), staff, Once{}, OperatorSpec{Name: "Other"}))(t)

	refused(t, w.RemoveBroker(t.Context(), w.owner, goes.Broker.ID), fault.Forbidden)
	refused(t, w.RemoveBroker(t.Context(), staff, goes.Broker.ID), fault.Conflict)
	if got := w.mentions(goes.Broker); len(got) != 6 {
		t.Errorf("after a refusal only %v mention the broker", got)
	}
	w.silence(goes.Broker)
	if err := w.RemoveBroker(t.Context(), staff, goes.Broker.ID); err != nil {
		t.Fatal(err)
	}

	if got := w.mentions(goes.Broker); len(got) != 0 {
		t.Errorf("%v still mention the broker", got)
	}
	if got := w.mentions(stays.Broker); !slices.Contains(got, "brokers") || !slices.Contains(got, "receipts") || !slices.Contains(got, "disks") {
		t.Errorf("only %v mention the broker that stays", got)
	}
	if phase := must(w.Retirement(t.Context(), w.owner, doomed.ID))(t).Phase; phase != Purged {
		t.Errorf("the deletion is %s, want it done: the only broker left has nothing of the account", phase)
	}
	if got := w.asks(stays.Broker).take(mqtt, 0, 3); got.Places != 3 {
		t.Errorf("another broker got %+v, want the 3 places at once", got)
	}
	if d := w.operatorDelivery(); len(d.Brokers) != 1 {
		t.Errorf("delivery is to %+v", d.Brokers)
	}
	if n := w.stored("SELECT count(*) FROM audit_events WHERE action = 'removeBroker'"); n != 1 {
		t.Errorf("the audit log has %d removals", n)
	}

	w.confirm(stays)
	w.finished(rotation)
	w.receives(stays)
	w.finished(rotation)
	w.confirm(stays)
	if o := w.finished(rotation); o.FinishedAt == nil {
		t.Errorf("the rotation = %+v, want it done", o)
	}
	if now := must(w.Operator(t.Context(), staff, other.ID))(t); now.JWT != other.JWT || now.SystemJWT != other.SystemJWT {
		t.Error("another operator's JWTs were signed anew")
	}
}

func TestRemovedBrokersSeatIsGoneForGood(t *testing.T) {
	t.Parallel()
	w := setup(t)
	key := newUserKey(t)
	seat := must(w.EnrollBroker(t.Context(), w.enrollmentToken(1), key, brokerSpec("b")))(t)
	second := w.seat("second")
	before := must(w.OperatorJWTID(t.Context(), w.operator.ID))(t)
	if err := w.RemoveBroker(t.Context(), staff, seat.Broker.ID); err != nil {
		t.Fatal(err)
	}
	between := must(w.OperatorJWTID(t.Context(), w.operator.ID))(t)
	if err := w.RemoveBroker(t.Context(), staff, second.Broker.ID); err != nil {
		t.Fatal(err)
	}
	after := must(w.OperatorJWTID(t.Context(), w.operator.ID))(t)
	if before == between || between == after {
		t.Error("the operator's JWT is the same after a removal: brokers would not hear of it")
	}
	_, err := w.AnnounceBroker(t.Context(), seat.Token, seat.Broker.ID, brokerSpec("b").BrokerPlace, GoesBy{})
	refused(t, err, fault.Unauthenticated)
	_, err = w.EnrollBroker(t.Context(), w.enrollmentToken(1), key, brokerSpec("b"))
	refused(t, err, fault.Conflict, "/public_key")
	refused(t, w.RemoveBroker(t.Context(), staff, seat.Broker.ID), fault.NotFound)

	revoked := func() map[claims.UserKey]bool {
		operator := must(w.Operator(t.Context(), staff, w.operator.ID))(t)
		keys := map[claims.UserKey]bool{}
		for key, at := range must(claims.DecodeAccount(operator.SystemJWT))(t).Revoked {
			keys[key] = at.After(w.clock().AddDate(1000, 0, 0))
		}
		return keys
	}
	if got := revoked(); len(got) != 2 || !got[key] || !got[second.Broker.PublicKey] {
		t.Errorf("revoked for all time in the system account: %v, want both brokers", got)
	}
	must(w.RotateSigningKey(t.Context(), staff, Once{}, w.operator.ID, false))(t)
	if err := w.StepOperations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := revoked(); len(got) != 2 || !got[key] {
		t.Errorf("revoked after a rotation of the signing key: %v, want both brokers still", got)
	}
	w.seat("b") // the name is free
}

// Neither who asks for places nor who removes a broker waits for the other for ever.
func TestBrokersAreRemovedWhileAnotherAsksForPlaces(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 100})
	mqtt := lease.TypeKey(string(w.account.PublicKey), "MQTT")
	stays := w.asker("stays")
	var goers []BrokerID
	for _, name := range []string{"a", "b", "c", "d"} {
		b := w.seat(name).Broker
		w.asks(b).take(mqtt, 0, 10)
		goers = append(goers, b.ID)
	}
	removed := make(chan error, 1)
	go func() {
		var errs []error
		for _, id := range goers {
			errs = append(errs, w.RemoveBroker(t.Context(), staff, id))
		}
		removed <- errors.Join(errs...)
	}()
	holds := int64(0)
	for asked, done := 0, false; !done; asked++ {
		select {
		case err := <-removed:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
			holds = stays.take(mqtt, holds, int64(asked%50+1)).Places
		}
	}
	if got := stays.take(mqtt, holds, 100); got.Places != 100 {
		t.Errorf("the broker got %+v, want all 100 places", got)
	}
}
