package httpapi_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/api"
)

func TestAccountIsEditedByMergePatch(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Patches")
	owner.furnish("patched")
	path := at(t, "/v1/accounts/{account}", owner.ids)
	patch := func(change string) (a api.Account) {
		t.Helper()
		owner.owner.do("PATCH", path, change).want(200, &a)
		return a
	}
	all := patch(`{"description": "d", "tags": ["a", "b"], "trace": {"destination": "t", "sampling": 5}, "cluster_traffic": "owner",
		"default_permissions": {"publish": {"allow": ["p"]}, "subscribe": {"deny": ["s"]}, "responses": {"max_messages": 2, "expires_in": "PT3S"}},
		"connection_types": ["STANDARD", "MQTT"], "connections_per_type": {"MQTT": 5, "STANDARD": 0}}`)
	want := all
	want.Tags, want.Trace.Sampling, want.DefaultPermissions.Subscribe = []string{"c"}, 6, &api.Permission{}
	want.DefaultPermissions.Responses = nil
	want.ConnectionsPerType = api.ConnectionsPerType{"STANDARD": 0}
	got := patch(`{"tags": ["c"], "trace": {"sampling": 6}, "default_permissions": {"subscribe": {"deny": []}, "responses": null}, "connections_per_type": {"MQTT": null}}`)
	want.Revision, want.UpdatedAt, want.Etag = got.Revision, got.UpdatedAt, got.Etag
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("some of it (-want +got):\n%s", diff)
	}
	bare := patch(`{"tags": [], "trace": null, "default_permissions": null, "connection_types": [], "connections_per_type": {"STANDARD": null}, "cluster_traffic": "system"}`)
	want.Tags, want.Trace, want.DefaultPermissions, want.ClusterTraffic = []string{}, nil, api.Permissions{Publish: &api.Permission{}, Subscribe: &api.Permission{}}, api.ClusterTrafficSystem
	want.ConnectionTypes, want.EffectiveConnectionTypes, want.ConnectionsPerType = []api.ConnectionType{}, []string{}, api.ConnectionsPerType{}
	want.Revision, want.UpdatedAt, want.Etag = bare.Revision, bare.UpdatedAt, bare.Etag
	if diff := cmp.Diff(want, bare); diff != "" {
		t.Errorf("all of it taken away (-want +got):\n%s", diff)
	}
	if same := patch(`{}`); same.Etag != bare.Etag {
		t.Errorf("an empty patch made version %s of %s", same.Etag, bare.Etag)
	}
}

func TestMappingsAreUnderTheAccountsETag(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Mappings")
	owner.furnish("mapped")
	path := at(t, "/v1/accounts/{account}/mappings", owner.ids)
	empty := owner.owner.do("GET", path, nil).want(200)
	put := func(etag, mappings string) answer {
		return owner.owner.do("PUT", path, `{"mappings": `+mappings+`}`, header{"If-Match": etag})
	}
	first := put(empty.header.Get("ETag"), `[{"subject": "a.*", "destinations": [{"subject": "b.{{wildcard(1)}}"}, {"subject": "c", "weight": 1, "cluster": "eu"}]}]`)
	first.want(200)
	put(empty.header.Get("ETag"), `[]`).want(412)
	var stored api.Mappings
	again := owner.owner.do("GET", path, nil).want(200, &stored)
	hundred, one, eu := 100, 1, "eu"
	want := api.Mappings{Mappings: []api.Mapping{{Subject: "a.*", Destinations: []api.MappingDestination{
		{Subject: "b.{{wildcard(1)}}", Weight: &hundred}, {Subject: "c", Weight: &one, Cluster: &eu},
	}}}}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("(-want +stored):\n%s", diff)
	}
	account := owner.owner.do("GET", at(t, "/v1/accounts/{account}", owner.ids), nil).want(200)
	if account.header.Get("ETag") != again.header.Get("ETag") {
		t.Errorf("the account's ETag is %s, the mappings' %s", account.header.Get("ETag"), again.header.Get("ETag"))
	}
	owner.owner.do("PATCH", at(t, "/v1/accounts/{account}", owner.ids), body{"name": "renamed"}).want(200)
	owner.owner.do("GET", path, nil).want(200, &stored)
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("after an edit of the account (-want +stored):\n%s", diff)
	}
}

func TestBadAccountSettingsAreNamedAndChangeNothing(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Bad settings")
	owner.furnish("unchanged")
	account, mappings := at(t, "/v1/accounts/{account}", owner.ids), at(t, "/v1/accounts/{account}/mappings", owner.ids)
	before := s.contents()
	for _, c := range []struct{ method, path, body, pointer string }{
		{"PATCH", account, `{"tags": ["signalbox-types:mqtt"]}`, "/tags/0"},
		{"PATCH", account, `{"default_permissions": {"publish": {"allow": ["a.b"], "deny": ["a.*"]}}}`, "/default_permissions/publish/allow/0"},
		{"PATCH", account, `{"default_permissions": {"subscribe": {"allow": ["{{name()}}"]}}}`, "/default_permissions"},
		{"PATCH", account, `{"default_permissions": {"responses": {"max_messages": 1, "expires_in": "soon"}}}`, "/default_permissions/responses/expires_in"},
		{"PATCH", account, `{"trace": {"sampling": 5}}`, "/trace/destination"},
		{"PATCH", account, `{"trace": {"destination": "a.*", "sampling": 5}}`, "/trace/destination"},
		{"PATCH", account, `{"trace": {"destination": "a", "sampling": 101}}`, "/trace/sampling"},
		{"PATCH", account, `{"cluster_traffic": "mine"}`, "/cluster_traffic"},
		{"PATCH", account, `{"connection_types": ["TELEX"]}`, "/connection_types/0"},
		{"PATCH", account, `{"connection_types": ["NONE"]}`, "/connection_types/0"},
		{"PATCH", account, `{"connections_per_type": {"TELEX": 1}}`, "/connections_per_type/TELEX"},
		{"PATCH", account, `{"connection_types": ["STANDARD"], "connections_per_type": {"MQTT": 1}}`, "/connections_per_type/MQTT"},
		{"PATCH", account, `{"connections_per_type": {"MQTT": -1}}`, "/connections_per_type/MQTT"},
		{"PATCH", account, `{"limits": {"connections": 101}}`, "/limits/connections"},
		{"PATCH", account, `{"limits": {"jetstream": {"ack_pending": 0}}}`, "/limits/jetstream/ack_pending"},
		{"PATCH", account, `{"limits": {"jetstream": {"disk_bytes": 9, "tiers": {"r1": {"disk_bytes": 9}}}}}`, "/limits/jetstream/tiers"},
		{"PATCH", account, `{"limits": {"jetstream": {"tiers": {"r3": {"disk_bytes": 9, "streams": 11, "consumers": 1}}}}}`, "/limits/jetstream/tiers/r3/streams"},
		{"PUT", mappings, `{"mappings": [{"subject": "a", "destinations": [{"subject": "b", "weight": 60}, {"subject": "c", "weight": 41}]}]}`, "/mappings/0/destinations/1/weight"},
		{"PUT", mappings, `{"mappings": [{"subject": "a", "destinations": [{"subject": "b", "weight": 101}]}]}`, "/mappings/0/destinations/0/weight"},
		{"PUT", mappings, `{"mappings": [{"subject": "a.*", "destinations": [{"subject": "b.{{wildcard(2)}}"}]}]}`, "/mappings/0/destinations/0/subject"},
		{"PUT", mappings, `{"mappings": [{"subject": "a", "destinations": [{"subject": "b"}]}, {"subject": "b", "destinations": [{"subject": "a"}]}]}`, "/mappings/0"},
		{"POST", account + "/suspend", `{"reason": "tab\t"}`, "/reason"},
		{"POST", account + "/clone", `{"name": " "}`, "/name"},
	} {
		owner.owner.do(c.method, c.path, c.body).wantField(400, c.pointer)
	}
	if after := s.contents(); !maps.Equal(before, after) {
		t.Errorf("the database changed:\nbefore %v\nafter  %v", before, after)
	}
}

func TestSuspensionIsShownAndCredsSaySo(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner, boss := s.signUp("Debtors"), s.signUp("Bosses")
	owner.furnish("suspended")
	s.exec(`UPDATE people SET is_staff = true WHERE email = $1`, boss.email)
	staff := boss.logIn()
	path, creds := at(t, "/v1/accounts/{account}", owner.ids), at(t, "/v1/users/{user}/credentials", owner.ids)

	var a api.Account
	owner.owner.do("POST", path+"/suspend?wait=PT1S", body{"reason": "unpaid"}).want(200, &a)
	if a.Status != "suspended" || a.Suspension == nil || a.Suspension.Reason != "unpaid" || a.Suspension.By != "tenant" || a.Proof == nil || a.Proof.Revision != a.Revision {
		t.Errorf("account = %+v", a)
	}
	var page api.AccountPage
	owner.owner.do("GET", "/v1/tenants/"+owner.id+"/accounts?status=suspended", nil).want(200, &page)
	if len(page.Items) != 1 || page.Items[0].Id != a.Id {
		t.Errorf("suspended accounts = %+v", page.Items)
	}
	var issued api.CredentialIssued
	owner.owner.do("POST", creds, body{}).want(201, &issued)
	if issued.Warning == nil {
		t.Error("creds that do not work yet do not say so")
	}
	staff.do("POST", path+"/suspend", body{"reason": "abuse"}).want(200, &a)
	if a.Suspension.By != "staff" || a.Suspension.Reason != "abuse" {
		t.Errorf("suspension = %+v, want staff's", a.Suspension)
	}
	owner.owner.do("POST", path+"/resume", nil).want(403)
	staff.do("POST", path+"/resume", nil).want(200, &a)
	if a.Status != "active" || a.Suspension != nil {
		t.Errorf("account = %+v", a)
	}
	issued = api.CredentialIssued{}
	owner.owner.do("POST", creds, body{}).want(201, &issued)
	if issued.Warning != nil {
		t.Errorf("warning = %q", *issued.Warning)
	}
	var audited api.AuditEventPage
	owner.owner.do("GET", "/v1/tenants/"+owner.id+"/audit", nil).want(200, &audited)
	reasons := map[string]bool{}
	for _, e := range audited.Items {
		if e.Action == "suspendAccount" {
			reasons[e.Reason] = true
		}
	}
	if !reasons["unpaid"] || !reasons["abuse"] {
		t.Errorf("audited reasons = %v", reasons)
	}
}
