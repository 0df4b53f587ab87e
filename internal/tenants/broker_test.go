package tenants

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

func brokerSpec(name string) BrokerSpec {
	return BrokerSpec{Name: name, BrokerPlace: BrokerPlace{
		Cluster: "east", ControlURL: "nats://" + name + ".internal:4222",
		Endpoints: Endpoints{
			NATS:      []string{"nats://shared.example.com:4222", "nats://" + name + ".example.com:4222"},
			WebSocket: []string{"wss://" + name + ".example.com"},
		},
	}}
}

func newUserKey(t testing.TB) claims.UserKey {
	t.Helper()
	return must(must(claims.NewUserSeed())(t).UserKey())(t)
}

func (w *world) enrollmentToken(uses int64) string {
	w.t.Helper()
	_, token, err := w.CreateEnrollment(w.t.Context(), staff, "", uses, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) broker(name string) Broker {
	w.t.Helper()
	return must(w.EnrollBroker(w.t.Context(), w.enrollmentToken(1), newUserKey(w.t), brokerSpec(name)))(w.t).Broker
}

// foreignBroker is enrolled under another operator, and named as the world's are.
func (w *world) foreignBroker(name string) Broker {
	w.t.Helper()
	other := must(w.CreateOperator(w.t.Context(), staff, Once{}, OperatorSpec{Name: "Another"}))(w.t)
	_, token, err := w.CreateEnrollment(w.t.Context(), staff, other.ID, 1, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return must(w.EnrollBroker(w.t.Context(), token, newUserKey(w.t), brokerSpec(name)))(w.t).Broker
}

func TestEnrolledBrokerGetsASeatInTheSystemAccount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	key := newUserKey(t)
	seat := must(w.EnrollBroker(t.Context(), w.enrollmentToken(1), key, brokerSpec("b1")))(t)
	if diff := cmp.Diff(w.operator, seat.Operator); diff != "" {
		t.Errorf("operator (-want +got):\n%s", diff)
	}
	facts := must(claims.DecodeUser(seat.BrokerJWT))(t)
	if facts.Key != key || facts.Account != w.operator.SystemPublicKey || facts.Issuer != w.operator.SystemPublicKey || facts.Scoped {
		t.Errorf("the broker's JWT says %+v", facts)
	}
	if diff := cmp.Diff(brokerTemplate(key), facts.Permissions); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
	if seat.Token[:4] != "sbb_" || len(seat.Token) < 50 {
		t.Errorf("the token has %d characters and begins with %s", len(seat.Token), seat.Token[:4])
	}
	place := brokerSpec("b1").BrokerPlace
	place.Cluster = "west"
	renewed := must(w.AnnounceBroker(t.Context(), seat.Token, seat.Broker.ID, place, GoesBy{}))(t)
	if diff := cmp.Diff(facts.Permissions, must(claims.DecodeUser(renewed.BrokerJWT))(t).Permissions); diff != "" {
		t.Errorf("permissions when it announces itself (-want +got):\n%s", diff)
	}
	seats := must(w.BrokerSeats(t.Context()))(t)
	if len(seats) != 1 || len(seats[0].Brokers) != 1 || seats[0].Brokers[0].Cluster != "west" || seats[0].Operator.Revision != w.head() {
		t.Errorf("seats = %+v", seats)
	}
}

func TestEnrollmentTokenIsGoodForItsUsesAndTime(t *testing.T) {
	t.Parallel()
	w := setup(t)
	token := w.enrollmentToken(1)
	key := newUserKey(t)
	_, err := w.EnrollBroker(t.Context(), "sbe_invented", key, brokerSpec("b"))
	refused(t, err, fault.Unauthenticated)
	must(w.EnrollBroker(t.Context(), token, key, brokerSpec("b1")))(t)
	_, err = w.EnrollBroker(t.Context(), token, newUserKey(t), brokerSpec("b2"))
	refused(t, err, fault.Unauthenticated)

	token = w.enrollmentToken(3)
	won, lost := race(6, func(i int) error {
		return second(w.EnrollBroker(t.Context(), token, newUserKey(t), brokerSpec(string(rune('p'+i)))))
	})
	if won != 3 {
		t.Errorf("%d of 6 enrolled with a token for 3: %v", won, lost)
	}
	token = w.enrollmentToken(3)
	w.at(time.Now().Add(time.Hour + time.Second))
	_, err = w.EnrollBroker(t.Context(), token, newUserKey(t), brokerSpec("late"))
	refused(t, err, fault.Unauthenticated)
}

func TestSameKeyKeepsItsSeat(t *testing.T) {
	t.Parallel()
	w := setup(t)
	token, key := w.enrollmentToken(2), newUserKey(t)
	first := must(w.EnrollBroker(t.Context(), token, key, brokerSpec("b1")))(t)
	again := must(w.EnrollBroker(t.Context(), token, key, brokerSpec("b1-renamed")))(t)
	if again.Broker.ID != first.Broker.ID || again.Broker.Name != "b1-renamed" || again.Token == first.Token {
		t.Errorf("first %+v, again %+v", first.Broker, again.Broker)
	}
	refused(t, second(w.AnnounceBroker(t.Context(), first.Token, first.Broker.ID, brokerSpec("x").BrokerPlace, GoesBy{})), fault.Unauthenticated)
	if _, err := w.AnnounceBroker(t.Context(), again.Token, first.Broker.ID, brokerSpec("x").BrokerPlace, GoesBy{}); err != nil {
		t.Error(err)
	}
	// It used nothing up: one place is left.
	other := must(w.EnrollBroker(t.Context(), token, newUserKey(t), brokerSpec("b2")))(t)
	refused(t, second(w.AnnounceBroker(t.Context(), again.Token, other.Broker.ID, brokerSpec("x").BrokerPlace, GoesBy{})), fault.Unauthenticated)
	_, err := w.EnrollBroker(t.Context(), w.enrollmentToken(1), newUserKey(t), brokerSpec("b2"))
	refused(t, err, fault.Conflict, "/name")
}

func TestBrokerMustSayWhereItIs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec := BrokerSpec{Name: "", BrokerPlace: BrokerPlace{
		ControlURL: "http://b:4222",
		Endpoints: Endpoints{
			NATS:      []string{"nats://user:hunter2@b:4222", "nats://ok:4222", "nats://:4222", "nats://b:99999", "b:4222", "nats://b:4222/path"},
			WebSocket: []string{"nats://b"}, MQTT: []string{"mqtt://b:"}, LeafNode: []string{"nats-leaf://b:7422", "ws://b"},
		},
	}}
	_, err := w.EnrollBroker(t.Context(), w.enrollmentToken(1), "U", spec)
	refused(t, err, fault.Invalid, "/public_key", "/name", "/control_url",
		"/endpoints/nats/0", "/endpoints/nats/2", "/endpoints/nats/3", "/endpoints/nats/4", "/endpoints/nats/5",
		"/endpoints/websocket/0", "/endpoints/mqtt/0")
	if contains(err.Error(), "hunter2") {
		t.Error("the error repeats a password")
	}
}

func TestConfiguredEnrollmentTokenStaysValid(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const token = "configured-enrolment-token"
	refused(t, w.EnsureEnrollment(t.Context(), "short"), fault.Invalid)
	if won, lost := race(4, func(int) error { return w.EnsureEnrollment(t.Context(), token) }); won != 4 {
		t.Fatalf("%v", lost)
	}
	for _, name := range []string{"a", "b", "c"} {
		must(w.EnrollBroker(t.Context(), token, newUserKey(t), brokerSpec(name)))(t)
	}
	made := w.enrollmentToken(5)
	for _, next := range []string{"another-enrolment-token", ""} {
		if err := w.EnsureEnrollment(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		_, err := w.EnrollBroker(t.Context(), token, newUserKey(t), brokerSpec("d"))
		refused(t, err, fault.Unauthenticated)
		must(w.EnrollBroker(t.Context(), made, newUserKey(t), brokerSpec("e"+next)))(t)
	}
}

func TestOnlyStaffSeesOperatorsAndBrokers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.broker("b1")
	if err := feed.RecordReceipt(t.Context(), w.pool, string(w.operator.ID), feed.Receipt{BrokerKey: string(b.PublicKey), Applied: 1}); err != nil {
		t.Fatal(err)
	}
	_, _, createErr := w.CreateEnrollment(t.Context(), w.owner, "", 1, time.Hour)
	for _, err := range []error{
		createErr,
		second(w.Operators(t.Context(), w.owner, PageQuery{})),
		second(w.Brokers(t.Context(), w.owner, w.operator.ID, PageQuery{})),
		second(w.OperatorDelivery(t.Context(), w.owner, w.operator.ID)),
		second(w.ServerConfig(t.Context(), w.owner, w.operator.ID, FullResolver, "")),
		w.RepairDrift(t.Context(), w.owner, w.operator.ID, Repair{}),
		second(w.AttachServer(t.Context(), w.owner, w.operator.ID, Once{}, ServerSpec{Name: "s", URLs: []string{"nats://127.0.0.1:1"}})),
		second(w.Servers(t.Context(), w.owner, w.operator.ID, PageQuery{})),
		second(w.Server(t.Context(), w.owner, NewID[ServerID]("srv"))),
		second(w.UpdateServer(t.Context(), w.owner, NewID[ServerID]("srv"), "", nil)),
		w.DetachServer(t.Context(), w.owner, NewID[ServerID]("srv"), ""),
	} {
		refused(t, err, fault.Forbidden)
	}
	operators := must(w.Operators(t.Context(), staff, PageQuery{}))(t)
	if len(operators.Items) != 1 || operators.Items[0].Revision != w.head() {
		t.Errorf("operators = %+v", operators.Items)
	}
	brokers := must(w.Brokers(t.Context(), staff, w.operator.ID, PageQuery{}))(t)
	if len(brokers.Items) != 1 || brokers.Items[0].Applied != 1 || brokers.Items[0].HeardAt == nil {
		t.Errorf("brokers = %+v", brokers.Items)
	}
	refused(t, second(w.Brokers(t.Context(), staff, NewID[OperatorID]("opr"), PageQuery{})), fault.NotFound)
	_, _, err := w.CreateEnrollment(t.Context(), staff, NewID[OperatorID]("opr"), 1, time.Hour)
	refused(t, err, fault.Invalid, "/operator_id")
	_, _, err = w.CreateEnrollment(t.Context(), staff, "", 0, 31*24*time.Hour)
	refused(t, err, fault.Invalid, "/uses", "/expires_in")
}

func TestOperatorDeliveryTellsWhatEachBrokerHasAndRefuses(t *testing.T) {
	t.Parallel()
	w := setup(t)
	delivery := func() OperatorDelivery {
		t.Helper()
		return must(w.OperatorDelivery(t.Context(), staff, w.operator.ID))(t)
	}
	report := func(b Broker, r feed.Receipt) {
		t.Helper()
		r.BrokerKey = string(b.PublicKey)
		if err := feed.RecordReceipt(t.Context(), w.pool, string(w.operator.ID), r); err != nil {
			t.Fatal(err)
		}
	}
	if d := delivery(); d.InForce() || d.Revision != w.head() {
		t.Errorf("without brokers: %+v, want nothing in force at %d", d, w.head())
	}
	first, other := w.broker("b1"), w.broker("b2")
	report(first, feed.Receipt{Applied: w.head()})
	if d := delivery(); d.InForce() || d.Brokers[0].HeardAt == nil || d.Brokers[1].HeardAt != nil {
		t.Errorf("with one broker that never reported: %+v", d)
	}
	refusal := feed.Refusal{AccountKey: string(w.account.PublicKey), Revision: w.head(), Reason: "too big"}
	report(other, feed.Receipt{Applied: w.head(), Refusals: []feed.Refusal{refusal}})
	if d := delivery(); d.InForce() || len(d.Brokers[1].Refusals) != 1 || d.Brokers[1].Refusals[0] != refusal {
		t.Errorf("with a refusal: %+v, want %+v", d, refusal)
	}
	report(other, feed.Receipt{Applied: w.head()})
	if d := delivery(); !d.InForce() {
		t.Errorf("with both up to date: %+v, want it in force", d)
	}
	_, err := w.OperatorDelivery(t.Context(), staff, NewID[OperatorID]("opr"))
	refused(t, err, fault.NotFound)
}

func TestSystemUserMayDoEverythingThere(t *testing.T) {
	t.Parallel()
	w := setup(t)
	jwt, seed, err := w.SystemUser(t.Context(), w.operator.ID, "", "control", claims.OpenTemplate())
	if err != nil {
		t.Fatal(err)
	}
	facts := must(claims.DecodeUser(jwt))(t)
	if facts.Key != must(seed.UserKey())(t) || facts.Account != w.operator.SystemPublicKey || len(facts.Permissions.Publish.Allow) != 0 {
		t.Errorf("facts = %+v", facts)
	}
	_, _, err = w.SystemUser(t.Context(), NewID[OperatorID]("opr"), "", "control", claims.OpenTemplate())
	refused(t, err, fault.NotFound)
}
