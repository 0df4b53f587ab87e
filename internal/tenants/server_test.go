package tenants

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// attach attaches a server at a URL that its name makes its own.
func (w *world) attach(name string) Server {
	w.t.Helper()
	spec := ServerSpec{Name: name, URLs: []string{"nats://" + name + ":4222"}}
	return must(w.AttachServer(w.t.Context(), staff, w.operator.ID, Once{}, spec))(w.t)
}

// report says that the server has confirmed a revision, except what it refuses.
func (w *world) report(v Server, applied feed.Revision, refusals ...feed.Refusal) {
	w.t.Helper()
	r := ServerReport{Ledger: []LedgerEntry{{Name: "n1", ID: "N1", Version: "2.15.2", Applied: applied, Refusals: refusals}},
		Applied: applied, Refusals: refusals, Heard: true}
	if err := w.ReportServer(w.t.Context(), v.OperatorID, v.ID, v.URLs, r); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) operatorDelivery() OperatorDelivery {
	w.t.Helper()
	return must(w.OperatorDelivery(w.t.Context(), staff, w.operator.ID))(w.t)
}

func TestAServerIsAttachedEditedAndDetached(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	w.at(now)
	once := Once{Key: "k"}
	spec := ServerSpec{Name: "edge", URLs: []string{"tls://b:4222", "nats://a:4222", "nats://a:4222"}}
	got := must(w.AttachServer(t.Context(), staff, w.operator.ID, once, spec))(t)
	want := Server{ID: got.ID, OperatorID: w.operator.ID, ServerSpec: ServerSpec{Name: "edge", URLs: []string{"nats://a:4222", "tls://b:4222"}},
		Ledger: []LedgerEntry{}, Version: 1, CreatedAt: now, UpdatedAt: now}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Server{})); diff != "" {
		t.Errorf("attached (-want +got):\n%s", diff)
	}
	if again := must(w.AttachServer(t.Context(), staff, w.operator.ID, once, spec))(t); again.ID != got.ID {
		t.Errorf("attaching again with the same key made %s beside %s", again.ID, got.ID)
	}
	refused(t, second(w.AttachServer(t.Context(), staff, w.operator.ID, Once{}, spec)), fault.Conflict, "/name")

	w.report(got, w.head())
	later := now.Add(time.Hour)
	w.at(later)
	renamed := must(w.UpdateServer(t.Context(), staff, got.ID, ETag(1), func(s *ServerSpec) error { s.Name = "rim"; return nil }))(t)
	if renamed.Name != "rim" || renamed.Version != 2 || len(renamed.Ledger) != 1 || !renamed.UpdatedAt.Equal(later) {
		t.Errorf("renamed = %+v, want what is known of it kept", renamed)
	}
	refused(t, second(w.UpdateServer(t.Context(), staff, got.ID, ETag(1), func(s *ServerSpec) error { s.Name = "x"; return nil })), fault.Stale)
	if same := must(w.UpdateServer(t.Context(), staff, got.ID, "", func(*ServerSpec) error { return nil }))(t); same.Version != 2 {
		t.Errorf("an edit of nothing makes version %d of 2", same.Version)
	}
	moved := must(w.UpdateServer(t.Context(), staff, got.ID, "", func(s *ServerSpec) error { s.URLs = []string{"nats://c:4222"}; return nil }))(t)
	if len(moved.Ledger) != 0 || w.operatorDelivery().Brokers[0].HeardAt != nil {
		t.Errorf("moved = %+v, want nothing known of what is there", moved)
	}
	w.report(got, w.head()) // a courier that has not heard of the move yet
	if d := w.operatorDelivery(); d.Brokers[0].Applied != 0 {
		t.Errorf("a report from the URLs before counts: %+v", d)
	}

	w.attach("second")
	page := must(w.Servers(t.Context(), staff, w.operator.ID, PageQuery{Sort: "-name"}))(t)
	if len(page.Items) != 2 || page.Items[0].Name != "second" {
		t.Errorf("servers = %+v", page.Items)
	}
	refused(t, w.DetachServer(t.Context(), staff, got.ID, ETag(1)), fault.Stale)
	w.report(moved, w.head())
	if err := w.DetachServer(t.Context(), staff, got.ID, ""); err != nil {
		t.Fatal(err)
	}
	if r := must(feed.Receipts(t.Context(), w.pool, string(w.operator.ID)))(t); len(r) != 0 {
		t.Errorf("receipts = %v, want none left of the detached server", r)
	}
	refused(t, second(w.Server(t.Context(), staff, got.ID)), fault.NotFound)
	refused(t, w.DetachServer(t.Context(), staff, got.ID, ""), fault.NotFound)
	w.report(moved, w.head()) // the courier's last words
	if r := must(feed.Receipts(t.Context(), w.pool, string(w.operator.ID)))(t); len(r) != 0 {
		t.Errorf("receipts = %v, want none of a detached server", r)
	}
	if left := must(w.AttachedServers(t.Context()))(t); len(left) != 1 || left[0].Name != "second" {
		t.Errorf("left = %+v", left)
	}
}

func TestAServerThatCannotBeIsNotAttached(t *testing.T) {
	t.Parallel()
	w := setup(t)
	many := make([]string, maxServerURLs+1)
	for i := range many {
		many[i] = fmt.Sprintf("nats://h%d:4222", i)
	}
	for name, c := range map[string]struct {
		spec     ServerSpec
		pointers []string
	}{
		"no name":             {ServerSpec{URLs: []string{"nats://a:4222"}}, []string{"/name"}},
		"no URL":              {ServerSpec{Name: "s"}, []string{"/urls"}},
		"too many URLs":       {ServerSpec{Name: "s", URLs: many}, []string{"/urls"}},
		"a URL that is none":  {ServerSpec{Name: "s", URLs: []string{"nats://b:4222", "aaa"}}, []string{"/urls/1"}},
		"a URL of a web page": {ServerSpec{Name: "s", URLs: []string{"https://a"}}, []string{"/urls/0"}},
		"a password":          {ServerSpec{Name: "s", URLs: []string{"nats://u:hunter2@a:4222"}}, []string{"/urls/0"}},
	} {
		_, err := w.AttachServer(t.Context(), staff, w.operator.ID, Once{}, c.spec)
		refused(t, err, fault.Invalid, c.pointers...)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats a password", name)
		}
	}
	_, err := w.AttachServer(t.Context(), staff, NewID[OperatorID]("opr"), Once{}, ServerSpec{Name: "s", URLs: []string{"nats://a:4222"}})
	refused(t, err, fault.NotFound)
	refused(t, second(w.Servers(t.Context(), staff, NewID[OperatorID]("opr"), PageQuery{})), fault.NotFound)
}

// A change is in force when the attached servers have confirmed it, too.
func TestDeliveryWaitsForAttachedServers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b, v := w.broker("b1"), w.attach("edge")
	if err := feed.RecordReceipt(t.Context(), w.pool, string(w.operator.ID), feed.Receipt{BrokerKey: string(b.PublicKey), Applied: w.head()}); err != nil {
		t.Fatal(err)
	}
	delivery := func() Delivery {
		t.Helper()
		return must(w.AccountDelivery(t.Context(), w.owner, w.account.ID))(t)
	}
	d := delivery()
	if d.InForce() || len(d.Brokers) != 2 || d.Brokers[0].Kind != BrokerRecipient || d.Brokers[1].Kind != ServerRecipient || d.Brokers[1].HeardAt != nil {
		t.Errorf("before the server was heard of: %+v", d)
	}
	if w.operatorDelivery().InForce() {
		t.Error("the operator's changes are in force without the server")
	}
	refusal := feed.Refusal{AccountKey: string(w.account.PublicKey), Revision: w.account.Revision, Reason: "n1: disk full"}
	w.report(v, w.head(), refusal)
	if d := delivery(); d.InForce() || d.Brokers[1].Refusal != refusal.Reason {
		t.Errorf("with a refusal: %+v", d)
	}
	if d := w.operatorDelivery(); d.InForce() || len(d.Brokers[1].Refusals) != 1 || d.Brokers[1].Refusals[0] != refusal {
		t.Errorf("the operator's, with a refusal: %+v", d)
	}
	known := must(w.ServerLedger(t.Context(), v.ID, v.URLs))(t)
	if want := []LedgerEntry{{Name: "n1", ID: "N1", Version: "2.15.2", Applied: w.head(), Refusals: []feed.Refusal{refusal}}}; !cmp.Equal(known, want) {
		t.Errorf("ledger (-want +got):\n%s", cmp.Diff(want, known))
	}
	refused(t, second(w.ServerLedger(t.Context(), v.ID, []string{"nats://elsewhere:4222"})), fault.NotFound)
	w.report(v, w.head())
	if d := delivery(); !d.InForce() || !w.operatorDelivery().InForce() {
		t.Errorf("once it has confirmed: %+v", d)
	}
	if got := must(w.Endpoints(t.Context(), w.owner, w.account.ID))(t); len(got.NATS) != len(b.Endpoints.NATS) {
		t.Errorf("endpoints = %+v, want the broker's alone", got)
	}
}
