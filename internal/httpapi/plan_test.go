package httpapi_test

import (
	"maps"
	"testing"

	"github.com/signalbox-io/signalbox/api"
)

func TestPlansOverTheAPI(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Planners")
	owner.owner.do("POST", "/v1/plans", map[string]any{"name": "Mine"}).want(403)
	owner.owner.do("GET", "/v1/tenants", nil).want(403)
	s.exec(`UPDATE people SET is_staff = true`)
	call := owner.owner
	body := map[string]any{
		"name": "Team", "max_accounts": 5, "account_limits": map[string]any{"connections": 7, "jetstream": map[string]any{"streams": 3}},
		"tenant_limits": map[string]any{"jetstream": map[string]any{"disk_bytes": 1 << 30}}, "connection_types": []string{"MQTT"},
		"max_credential_lifetime": "P90D", "default_credential_lifetime": "P30D",
	}
	var first, again, second api.PlanVersion
	call.do("POST", "/v1/plans", body, header{"Idempotency-Key": "team"}).want(201, &first)
	call.do("POST", "/v1/plans", body, header{"Idempotency-Key": "team"}).want(201, &again)
	if first.Id != again.Id || first.AccountLimits.Connections != 7 || first.AccountLimits.Subscriptions != -1 || first.AccountLimits.Jetstream.Streams != 3 ||
		first.TenantLimits.Jetstream.DiskBytes != 1<<30 || first.TenantLimits.Connections != -1 || *first.MaxCredentialLifetime != "P90D" {
		t.Errorf("first = %+v", first)
	}
	path := "/v1/plans/" + first.Id
	patched := call.do("PATCH", path, `{"max_accounts": 6, "max_credential_lifetime": null, "account_limits": {"connections": 8}}`, header{"If-Match": `"1"`}).want(200, &second)
	if patched.header.Get("ETag") != `"2"` || second.MaxCredentialLifetime != nil || *second.DefaultCredentialLifetime != "P30D" ||
		second.MaxAccounts != 6 || second.AccountLimits.Connections != 8 || second.AccountLimits.Jetstream.Streams != 3 {
		t.Errorf("second = %+v", second)
	}
	before := s.contents()
	for name, c := range map[string]badRequest{
		"an ETag from before":               {"PATCH", path, `{"max_accounts": 1}`, header{"If-Match": `"1"`}, 412, ""},
		"a name that is taken":              {"POST", "/v1/plans", `{"name": "Team"}`, nil, 409, "/name"},
		"a lifetime that is none":           {"POST", "/v1/plans", `{"name": "x", "max_credential_lifetime": "long"}`, nil, 400, "/max_credential_lifetime"},
		"a lifetime that is too short":      {"POST", "/v1/plans", `{"name": "x", "max_credential_lifetime": "PT1S"}`, nil, 400, "/max_credential_lifetime"},
		"a lifetime that is too long":       {"POST", "/v1/plans", `{"name": "x", "max_credential_lifetime": "P300Y"}`, nil, 400, "/max_credential_lifetime"},
		"a lifetime that wraps around":      {"PATCH", path, `{"default_credential_lifetime": "P280Y3360M1565W"}`, nil, 400, "/default_credential_lifetime"},
		"a default longer than the longest": {"PATCH", path, `{"max_credential_lifetime": "P1D"}`, nil, 400, "/default_credential_lifetime"},
		"a connection type that is none":    {"PATCH", path, `{"connection_types": ["PIGEON"]}`, nil, 400, "/connection_types/0"},
		"a total below -1":                  {"PATCH", path, `{"tenant_limits": {"connections": -2}}`, nil, 400, "/tenant_limits/connections"},
		"streams of no number":              {"PATCH", path, `{"account_limits": {"jetstream": {"streams": 0}}}`, nil, 400, "/account_limits/jetstream/streams"},
		"a version that is none":            {"GET", path + "/versions/3", nil, nil, 404, ""},
		"version 0":                         {"GET", path + "/versions/0", nil, nil, 404, ""},
		"a plan that is none":               {"PUT", "/v1/tenants/" + owner.id + "/plan", `{"plan_id": "pln_01jd3zq4y6e8r9tq2m5n7p8s0v"}`, nil, 400, "/plan_id"},
		"the newest version's tenants":      {"POST", path + "/versions/2/move-tenants", nil, nil, 409, ""},
		"an account's operator, absent":     {"POST", "/v1/tenants/" + owner.id + "/accounts", `{"name": "a", "operator_id": "opr_01jd3zq4y6e8r9tq2m5n7p8s0v"}`, nil, 400, "/operator_id"},
		"an operator's tag of ours":         {"POST", "/v1/operators", `{"name": "x", "tags": ["signalbox-x"]}`, nil, 400, "/tags/0"},
		"an operator's name that is taken":  {"POST", "/v1/operators", `{"name": "Signalbox"}`, nil, 409, "/name"},
	} {
		got := call.do(c.method, c.path, c.body, c.header)
		if c.pointer == "" {
			got.want(c.status)
			continue
		}
		t.Run(name, func(t *testing.T) { got.wantField(c.status, c.pointer) })
	}
	if after := s.contents(); !maps.Equal(before, after) {
		t.Error("something that was refused changed the database")
	}
	var put api.TenantPlan
	call.do("PUT", "/v1/tenants/"+owner.id+"/plan", map[string]any{"plan_id": first.Id}).want(200, &put)
	if put.Plan.Version != 2 || put.Operation.Status != "running" || put.Operation.Total != 1 || len(put.Plan.OverPlan) != 1 {
		t.Errorf("put = %+v", put)
	}
	s.signUp("Others")
	var all, found api.TenantPage
	call.do("GET", "/v1/tenants?sort=name", nil).want(200, &all)
	if len(all.Items) != 2 || all.Items[0].Name != "Others" || all.Items[0].PlanName == "Team" {
		t.Errorf("all = %+v", all)
	}
	call.do("GET", "/v1/tenants?q=PLAN", nil).want(200, &found)
	if len(found.Items) != 1 || found.Items[0].Id != owner.id || found.Items[0].PlanName != "Team" || found.Items[0].PlanVersion != 2 {
		t.Errorf("found = %+v", found)
	}
}
