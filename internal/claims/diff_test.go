package claims

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDiffNamesWhatChanged(t *testing.T) {
	t.Parallel()
	operator, _ := NewOperatorSeed()
	account, _ := NewAccountSeed()
	role, _ := NewAccountSeed()
	key, _ := account.AccountKey()
	roleKey, _ := role.AccountKey()
	said := Account{Key: key, Name: "acme", Limits: UnlimitedLimits(), Tags: []string{"team:a/b"}, Roles: []Role{{Key: roleKey, Name: "reader", Template: OpenTemplate()}}}
	before, err := EncodeAccount(said, operator)
	if err != nil {
		t.Fatal(err)
	}
	said.Limits.Connections = 5
	said.Tags = append(said.Tags, "new")
	said.ConnectionTypes = []ConnectionType{MQTT}
	said.Overrides = []UserOverride{{Name: "app", Role: roleKey, Connections: 3}}
	said.Roles[0].Template.Publish.Deny = []string{"a", "b"}
	said.Revoked = map[UserKey]time.Time{AllUsers: time.Unix(5, 0)}
	after, err := EncodeAccount(said, operator)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Diff(before, after)
	if err != nil {
		t.Fatal(err)
	}
	want := []Difference{
		{"/nats/limits/conn", json.Number("-1"), json.Number("5")},
		{"/nats/revocations", nil, map[string]any{"*": json.Number("5")}},
		{"/nats/signing_keys/" + string(roleKey) + "/template/pub/deny", nil, []any{"a", "b"}},
		{"/nats/tags", []any{"team:a/b"}, []any{"team:a/b", "new"}},
		{"/signalbox/types", nil, "mqtt"},
		{"/signalbox/users", nil, map[string]any{"app": map[string]any{"role": string(roleKey), "tags": []string(nil), "connections": int64(3)}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if same, err := Diff(after, after); err != nil || len(same) != 0 {
		t.Errorf("a JWT differs from itself: %v, %v", same, err)
	}
}
