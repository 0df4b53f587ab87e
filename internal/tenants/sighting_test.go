package tenants

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCredentialsLastLoginIsKept(t *testing.T) {
	t.Parallel()
	w := setup(t)
	broker := w.broker("b1")
	credential, other := w.credential(w.user("sensor")), w.credential(w.user("other"))
	_, _, foreign := w.found("Foreign")
	now := time.Now().UTC().Truncate(time.Millisecond)
	w.at(now)
	report := func(reports ...SightingReport) {
		t.Helper()
		if err := w.RecordSightings(t.Context(), w.operator.ID, broker.PublicKey, reports); err != nil {
			t.Fatal(err)
		}
	}
	login := SightingReport{AccountKey: w.account.PublicKey, UserKey: credential.PublicKey, ConnectionType: "MQTT", Address: "192.0.2.7", Client: "go 1", Ago: time.Second}
	earlier, elsewhere, unknown := login, login, login
	earlier.Ago, earlier.Address = time.Minute, "192.0.2.1"
	elsewhere.AccountKey = foreign.PublicKey
	unknown.UserKey = "UNKNOWN"
	report(earlier, login, elsewhere, unknown)
	report(earlier) // an older report that comes late
	stranger, later := w.foreignBroker("b1"), login
	later.Ago = 0
	if err := w.RecordSightings(t.Context(), stranger.OperatorID, stranger.PublicKey, []SightingReport{later}); err != nil {
		t.Fatal(err)
	}
	want := &Sighting{At: now.Add(-time.Second), Address: "192.0.2.7", ConnectionType: "MQTT", Client: "go 1", Broker: "b1"}
	listed := must(w.AccountCredentials(t.Context(), w.owner, w.account.ID, CredentialFilter{}, PageQuery{}))(t).Items
	for name, got := range map[string]*Sighting{
		"the credential": must(w.Credential(t.Context(), w.owner, credential.ID))(t).LastSeen,
		"the list":       listed[0].LastSeen,
		"revoked":        must(w.RevokeCredential(t.Context(), w.owner, credential.ID, ""))(t).LastSeen,
	} {
		if got != nil {
			got.At = got.At.UTC()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := must(w.Credential(t.Context(), w.owner, other.ID))(t).LastSeen; got != nil {
		t.Errorf("one that nobody used was seen: %+v", got)
	}
}

// BenchmarkRecordSightings is a full report of a broker.
func BenchmarkRecordSightings(b *testing.B) {
	w := setup(b)
	broker := w.broker("b1")
	var reports []SightingReport
	got, _, err := w.batch(Once{}, nil, numbered(500), -1)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range got {
		reports = append(reports, SightingReport{AccountKey: w.account.PublicKey, UserKey: c.PublicKey, ConnectionType: "MQTT", Address: "192.0.2.7", Client: "go"})
	}
	for b.Loop() {
		w.at(w.now().Add(time.Second))
		if err := w.RecordSightings(b.Context(), w.operator.ID, broker.PublicKey, reports); err != nil {
			b.Fatal(err)
		}
	}
}
