package httpapi_test

import (
	"testing"

	"github.com/signalbox-io/signalbox/api"
)

func TestDeletedAccountCanBeSeenAndRestoredUntilItIsPurged(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Undoers")
	owner.furnish("orders")
	path := "/v1/accounts/" + owner.ids["account"]
	accounts := func(status string, want int) {
		t.Helper()
		var page api.AccountPage
		owner.owner.do("GET", "/v1/tenants/"+owner.id+"/accounts?status="+status, nil).want(200, &page)
		if len(page.Items) != want {
			t.Errorf("%d accounts are %s, want %d", len(page.Items), status, want)
		}
	}
	retirement := func(phase api.RetirementPhase) api.Retirement {
		t.Helper()
		var r api.Retirement
		owner.owner.do("GET", path+"/retirement", nil).want(200, &r)
		if r.Phase != phase {
			t.Errorf("phase = %s, want %s", r.Phase, phase)
		}
		return r
	}
	if preview := retirement("none"); len(preview.Streams) != 1 || preview.PurgeAt != nil {
		t.Errorf("before it is deleted: %+v", preview)
	}

	owner.owner.do("DELETE", path+"?undo=P91D", nil).wantField(400, "?undo")
	owner.owner.do("DELETE", path+"?undo=week", nil).wantField(400, "?undo")
	owner.owner.do("DELETE", path+"?undo=P1D", nil).want(204)
	var account api.Account
	owner.owner.do("GET", path, nil).want(200, &account)
	if account.Status != "deleting" || account.PurgeAt.Sub(*account.DeletingAt).Hours() != 24 {
		t.Errorf("account = %+v", account)
	}
	accounts("deleting", 1)
	accounts("active", 1)
	owner.owner.do("PATCH", path, map[string]any{"name": "other"}).want(409)
	retirement("frozen")

	owner.owner.do("POST", path+"/restore", nil, header{"If-Match": `"1"`}).want(412)
	var restored api.Account
	owner.owner.do("POST", path+"/restore?wait=PT5S", nil, header{"If-Match": account.Etag}).want(200, &restored)
	if restored.Status != "active" || restored.Proof == nil || restored.Proof.Revision != restored.Revision {
		t.Errorf("restored = %+v", restored)
	}
	accounts("deleting", 0)
	owner.owner.do("POST", path+"/purge", map[string]any{"name": "orders"}).want(409)

	owner.owner.do("DELETE", path, nil).want(204)
	owner.owner.do("POST", path+"/purge", map[string]any{"name": "Orders"}).wantField(400, "/name")
	owner.owner.do("POST", path+"/purge", map[string]any{"name": "orders"}).want(202)
	if err := s.domain.PurgeDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	owner.owner.do("GET", path, nil).want(404)
	owner.owner.do("POST", path+"/restore", nil).want(404)
	retirement("done") // there is no broker
	owner.furnish("orders")
}
