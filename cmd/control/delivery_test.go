package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// tenants signs what a broker may do in the system account, resolver knows what
// it needs there; neither may know the other.
func TestBrokersAreGivenExactlyThePermissionsTheyNeed(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	kp, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	key, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	body := `{"name": "second", "public_key": "` + key + `", "cluster": "", "control_url": "nats://127.0.0.1:1",
		"endpoints": {"nats": [], "websocket": [], "mqtt": [], "leafnode": []}}`
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/brokers", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+enrolment)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var seat struct {
		UserJWT string `json:"user_jwt"`
	}
	if err := json.NewDecoder(res.Body).Decode(&seat); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("enrol: %d, %v", res.StatusCode, err)
	}
	user, err := claims.DecodeUser(seat.UserJWT)
	if err != nil {
		t.Fatal(err)
	}
	want := resolver.BrokerPermissions(user.Key)
	if diff := cmp.Diff(want.Publish, user.Permissions.Publish); diff != "" {
		t.Errorf("publish (-needed +given):\n%s", diff)
	}
	if diff := cmp.Diff(want.Subscribe, user.Permissions.Subscribe); diff != "" {
		t.Errorf("subscribe (-needed +given):\n%s", diff)
	}
	if diff := cmp.Diff(want.Responses, user.Permissions.Responses); diff != "" {
		t.Errorf("responses (-needed +given):\n%s", diff)
	}
}
