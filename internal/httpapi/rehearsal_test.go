package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// dryRuns are the document's operations that can be tried.
func dryRuns(t *testing.T, s *server) []operation {
	t.Helper()
	var all []operation
	for _, op := range operations(t, s.doc) {
		if op.Parameters.GetByInAndName("query", "dry_run") != nil {
			all = append(all, op)
		}
	}
	return all
}

// Every operation that can be tried answers what it would change, with the
// document's example, and leaves the database as it was: every row of every table.
func TestDryRunLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`UPDATE plans SET max_accounts = -1`)
	owner := s.signUp("Dry Runners")
	s.exec(`UPDATE people SET is_staff = true`)
	var first api.Plan
	owner.owner.do("GET", "/v1/tenants/"+owner.id+"/plan", nil).want(http.StatusOK, &first)
	owner.ids["plan"], owner.ids["first plan"] = s.plan(), first.Id
	s.exec(`UPDATE plans SET account_limits = jsonb_set(account_limits, '{connections}', '90') WHERE NOT is_default`)
	changed := 0
	for i, op := range dryRuns(t, s) {
		owner.furnish(fmt.Sprint("account ", i))
		prepareFor(owner, op.OperationID)
		before := s.contents()
		key := header{"Idempotency-Key": fmt.Sprint("dry run ", i)}
		var got api.DryRun
		owner.owner.do(op.method, op.at(t, owner.ids)+"?dry_run=true", op.example(t, owner.ids), key).want(http.StatusOK, &got)
		if after := s.contents(); !maps.Equal(before, after) {
			t.Errorf("%s: the database changed:\nbefore %v\nafter  %v", op.OperationID, before, after)
		}
		changed += len(got.Changes)
		if len(got.Changes) == 0 && op.OperationID != "createUser" {
			t.Errorf("%s would change nothing", op.OperationID)
		}
		if got := owner.owner.do(op.method, op.at(t, owner.ids), op.example(t, owner.ids), key); got.status >= 300 {
			t.Errorf("%s, after having been tried: status = %d\n%s", op.OperationID, got.status, got.body)
		}
	}
	if changed == 0 {
		t.Error("no dry run named a change")
	}
}

// prepareFor brings about what an operation has to undo.
func prepareFor(of *tenant, operation string) {
	account := "/v1/accounts/" + of.ids["account"]
	switch operation {
	case "resumeAccount":
		of.owner.do("POST", account+"/suspend", map[string]any{"reason": "a bill"}).want(200)
	case "moveTenants":
		of.owner.do("PUT", "/v1/tenants/"+of.id+"/plan", map[string]any{"plan_id": of.ids["plan"], "version": 1}).want(200)
		of.owner.do("PATCH", "/v1/plans/"+of.ids["plan"], map[string]any{"account_limits": map[string]any{"connections": 80}}).want(200)
	case "setTenantPlan":
		of.owner.do("PUT", "/v1/tenants/"+of.id+"/plan", map[string]any{"plan_id": of.ids["first plan"]}).want(200)
	case "restoreAccount":
		of.owner.do("DELETE", account, nil).want(http.StatusNoContent)
	}
}

func TestDryRunIsRefusedAsTheRealThing(t *testing.T) {
	t.Parallel()
	s, victim, stranger := scene(t)
	for _, op := range dryRuns(t, s) {
		path := op.at(t, victim.ids)
		got := stranger.owner.do(op.method, path+"?dry_run=true", op.example(t, victim.ids))
		want := stranger.owner.do(op.method, path, op.example(t, victim.ids))
		if got.status < 400 || got.status != want.status || anonymous(got, victim.ids) != anonymous(want, victim.ids) {
			t.Errorf("%s: a dry run says %d %s, and the operation %d %s", op.OperationID, got.status, got.body, want.status, want.body)
		}
	}
	role := "/v1/roles/" + victim.ids["role"]
	victim.owner.do("PATCH", role+"?dry_run=true", map[string]any{"permissions": map[string]any{"publish": map[string]any{"allow": []string{"a..b"}}}}).
		wantField(http.StatusBadRequest, "/permissions/publish/allow/0")
	victim.owner.do("PATCH", role+"?dry_run=true", map[string]any{}, header{"If-Match": `"17"`}).want(http.StatusPreconditionFailed)
	victim.owner.do("DELETE", "/v1/users/"+victim.ids["user"]+"?dry_run=true&wait=PT1S", nil).wantField(http.StatusBadRequest, "?wait")
	victim.owner.do("POST", "/v1/tenants/"+victim.id+"/api-tokens?dry_run=true", map[string]any{"name": "x", "role": "viewer"}).
		wantField(http.StatusBadRequest, "?dry_run")
}

// What nothing would ever revoke is not given away.
func TestDryRunOfACredentialShowsNoneThatWorks(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Peekers")
	owner.furnish("peeked")
	for path, body := range map[string]string{"/v1/users/{user}/credentials": `{"expires_in": "P1D"}`, "/v1/credentials/{credential}/extend": `{}`} {
		got := owner.owner.do("POST", at(t, path, owner.ids)+"?dry_run=true", body).want(http.StatusOK)
		if !strings.Contains(string(got.body), `"path":"/credential"`) {
			t.Errorf("%s does not say what the credential would be:\n%s", path, got.body)
		}
		if secret := regexp.MustCompile(`eyJ[\w-]+\.|\bSU[A-Z2-7]{56}\b|BEGIN`).Find(got.body); secret != nil {
			t.Errorf("%s shows %q:\n%s", path, secret, got.body)
		}
	}
}

// Whoever means a dry run and spells it in another way has nothing changed.
func TestDryRunIsSpelledInOneWay(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Spellers")
	owner.furnish("spelled")
	before := s.contents()
	for _, query := range []string{"dry_run", "dry_run=", "dry_run=1", "dry_run=t", "dry_run=T", "dry_run=True", "dry_run=TRUE", "dry_run=yes",
		"dry_run=false&dry_run=true", "dry_run=true&dry_run=false"} {
		owner.owner.do("PATCH", "/v1/accounts/"+owner.ids["account"]+"?"+query, map[string]any{"description": "changed"}).
			wantField(http.StatusBadRequest, "?dry_run")
	}
	if after := s.contents(); !maps.Equal(before, after) {
		t.Errorf("the database changed:\nbefore %v\nafter  %v", before, after)
	}
	var got api.Account
	owner.owner.do("PATCH", "/v1/accounts/"+owner.ids["account"]+"?dry_run=false", map[string]any{"description": "changed"}).want(http.StatusOK, &got)
	if got.Description != "changed" {
		t.Errorf("without a dry run the description is %q", got.Description)
	}
}

func TestDryRunSaysWhoIsConcerned(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner, others := s.signUp("Concerned Ltd"), s.signUp("Others Ltd")
	for _, elsewhere := range []*tenant{others, owner} { // with users of the same names
		elsewhere.furnish("elsewhere")
	}
	owner.furnish("concerned")
	var got api.DryRun
	owner.owner.do("POST", "/v1/credentials/"+owner.ids["credential"]+"/revoke?dry_run=true", map[string]any{}).want(200, &got)
	if got.Affected.Users != 1 || got.Affected.Credentials != 1 {
		t.Errorf("revoking one credential concerns %d users and %d credentials", got.Affected.Users, got.Affected.Credentials)
	}
	if got.Affected.BrokersAsked != 2 || got.Affected.BrokersAnswered != 1 || len(got.Warnings) != 1 || got.Affected.ConnectionsClosed != 1 {
		t.Errorf("one of two brokers answered that it would close a connection: %+v, %v", got.Affected, got.Warnings)
	}
	owner.owner.do("PATCH", "/v1/accounts/"+owner.ids["account"]+"?dry_run=true", map[string]any{"limits": map[string]any{"payload_bytes": 1000}}).want(200, &got)
	want := api.ClaimsChange{AccountId: owner.ids["account"], Path: "/nats/limits/payload", To: float64(1000)}
	if len(got.Changes) != 1 || got.Changes[0].Path != want.Path || got.Changes[0].To != want.To || got.Affected.ConnectionsChanged != 2 || got.Affected.Users != 0 {
		t.Errorf("a smaller payload: %+v", got)
	}
	owner.owner.do("PATCH", "/v1/users/"+owner.ids["user"]+"?dry_run=true", map[string]any{"connections": 3}).want(200, &got)
	if got.Affected.Users != 1 || got.Affected.Credentials != 2 {
		t.Errorf("a user's number of connections concerns %d users and %d credentials", got.Affected.Users, got.Affected.Credentials)
	}
	owner.owner.do("DELETE", "/v1/accounts/"+owner.ids["account"]+"?dry_run=true", nil).want(200, &got)
	if got.Affected.Users != 1 || got.Affected.Credentials != 2 {
		t.Errorf("deleting the account concerns %d users and %d credentials", got.Affected.Users, got.Affected.Credentials)
	}
	if account, err := s.domain.Account(t.Context(), tenants.Actor{ID: "x", Grants: map[tenants.TenantID]tenants.MemberRole{tenants.TenantID(owner.id): tenants.Viewer}}, tenants.AccountID(owner.ids["account"])); err != nil || account.Limits.PayloadBytes == 1000 {
		t.Errorf("the account is %+v, %v", account.Limits, err)
	}
}
