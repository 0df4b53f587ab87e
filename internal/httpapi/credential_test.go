package httpapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/api"
)

func TestCredentialsOfAnAccountAreListedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Lives")
	owner.furnish("lives")
	account, user := owner.ids["account"], owner.ids["user"]
	list := func(query string) []string {
		var page api.CredentialPage
		owner.owner.do("GET", "/v1/accounts/"+account+"/credentials"+query, nil).want(200, &page)
		var names []string
		for _, c := range page.Items {
			names = append(names, fmt.Sprint(c.Name, " ", c.Status))
		}
		return names
	}
	for _, body := range []string{`{"name": "short", "expires_in": "PT30M"}`, `{"name": "long", "expires_in": "P300D"}`} {
		owner.owner.do("POST", "/v1/users/"+user+"/credentials", body).want(201)
	}
	for query, want := range map[string][]string{
		"":                  {" active", "short expiring", "long active"},
		"?status=expiring":  {"short expiring"},
		"?status=expired":   nil,
		"?sort=-expires_at": {" active", "long active", "short expiring"},
		"?expires_before=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339): {"short expiring"},
		"?user=" + user: {" active", "short expiring", "long active"},
	} {
		if diff := cmp.Diff(want, list(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	var got api.Account
	owner.owner.do("GET", "/v1/accounts/"+account, nil).want(200, &got)
	if got.ExpiringCredentials == nil || *got.ExpiringCredentials != 1 {
		t.Errorf("expiring_credentials = %v, want 1", got.ExpiringCredentials)
	}
	if err := s.domain.WarnOfExpiry(t.Context()); err != nil {
		t.Fatal(err)
	}
	var events api.EventPage
	owner.owner.do("GET", "/v1/tenants/"+owner.id+"/events", nil).want(200, &events)
	if len(events.Items) != 1 || events.Items[0].Type != api.CredentialExpiring || events.Items[0].Data["name"] != "short" {
		t.Errorf("events = %+v, want the short one's", events.Items)
	}
	var history api.CredentialHistoryPage
	owner.owner.do("GET", "/v1/credentials/"+events.Items[0].Subject+"/history", nil).want(200, &history)
	if len(history.Items) != 1 || history.Items[0].Event != api.CredentialHistoryItemEventIssued {
		t.Errorf("history = %+v, want its issue", history.Items)
	}
}

func TestCredentialsRefuseLifetimesThatCannotBe(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Lives")
	owner.furnish("lives")
	for body, pointer := range map[string]string{
		`{"expires_in": "P90X"}`: "/expires_in",
		`{"expires_in": "-P1D"}`: "/expires_in",
		`{"expires_in": "PT0S"}`: "/expires_in",
		`{"expires_in": "P1D", "expires_at": "2099-01-01T00:00:00Z"}`: "/expires_in",
		`{"expires_at": "2001-01-01T00:00:00Z"}`:                      "/expires_at",
	} {
		owner.owner.do("POST", "/v1/users/"+owner.ids["user"]+"/credentials", body).wantField(400, pointer)
	}
}
