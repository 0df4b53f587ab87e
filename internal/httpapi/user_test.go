package httpapi_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/api"
)

func TestUserIsEditedByMergePatch(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Patches")
	me.furnish("patched")
	users := "/v1/accounts/" + me.ids["account"] + "/users"
	var user api.User
	me.owner.do("POST", users, map[string]any{"name": "u", "role_id": me.ids["role"], "tags": []string{"team:blue"}, "connections": 3}).want(201, &user)
	if user.RoleId != me.ids["role"] || user.Permissions != nil || user.Connections == nil || *user.Connections != 3 {
		t.Errorf("created = %+v", user)
	}
	path := "/v1/users/" + user.Id
	me.owner.do("POST", path+"/credentials", `{}`).want(201)
	patch := func(change string) (u api.User) {
		t.Helper()
		me.owner.do("PATCH", path, change, header{"Content-Type": "application/merge-patch+json"}).want(200, &u)
		var read api.User
		me.owner.do("GET", path, nil).want(200, &read)
		if diff := cmp.Diff(read, u); diff != "" {
			t.Errorf("answered and read differ (-read +answered):\n%s", diff)
		}
		return u
	}
	if got := patch(`{"connections": null}`); got.Connections != nil || got.Tags[0] != "team:blue" || got.RoleId != user.RoleId || got.MovedCredentials != 0 {
		t.Errorf("without a number of its own: %+v", got)
	}
	if got := patch(`{"connection_types": ["WEBSOCKET", "MQTT"]}`); !slices.Equal(got.ConnectionTypes, []api.ConnectionType{api.WEBSOCKET, api.MQTT}) {
		t.Errorf("with connection types of its own: %+v", got)
	}
	if got := patch(`{"connection_types": []}`); got.ConnectionTypes == nil || len(got.ConnectionTypes) != 0 {
		t.Errorf("for all types again: %+v", got)
	}
	own := patch(`{"permissions": {"publish": {"allow": ["a", "b"]}, "responses": {"max_messages": 1, "expires_in": "PT5S"}}}`)
	if own.RoleId == user.RoleId || own.RoleName != "u" || (*own.Permissions.Publish.Allow)[1] != "b" || own.MovedCredentials != 1 {
		t.Errorf("with permissions of its own: %+v", own)
	}
	var role api.Role
	me.owner.do("GET", "/v1/roles/"+own.RoleId, nil).want(200, &role)
	if !role.Private || role.Permissions.Responses == nil {
		t.Errorf("its own role: %+v", role)
	}
	less := patch(`{"permissions": {"responses": null}, "tags": []}`)
	if less.RoleId != own.RoleId || less.Permissions.Responses != nil || (*less.Permissions.Publish.Allow)[0] != "a" || len(less.Tags) != 0 {
		t.Errorf("with less of them: %+v", less)
	}
	if back := patch(`{"role_id": "` + user.RoleId + `"}`); back.RoleId != user.RoleId || back.Permissions != nil || back.MovedCredentials != 1 { // its tags are others
		t.Errorf("back in its role: %+v", back)
	}
	if home := patch(`{"role_id": null, "tags": ["team:blue"]}`); home.RoleName != "default" || home.MovedCredentials != 1 {
		t.Errorf("in no particular role: %+v", home)
	}
	var stale api.User
	me.owner.do("PATCH", path, `{"tags": []}`, header{"If-Match": user.Etag}).want(412)
	me.owner.do("GET", path, nil).want(200, &stale)
	if len(stale.Tags) != 1 {
		t.Errorf("an edit of an old version was kept: %+v", stale)
	}
}

func TestLifetimesOfARoleAreDaysAndTimes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Patches")
	me.furnish("patched")
	path := "/v1/roles/" + me.ids["role"]
	for text, want := range map[string]string{"P90D": "P90D", "P1W": "P7D", "PT36H": "P1DT12H", "PT90M": "PT1H30M"} {
		var role api.Role
		me.owner.do("PATCH", path, `{"max_credential_lifetime": "`+text+`", "limits": {"connections_per_user": 4}}`).want(200, &role)
		if role.MaxCredentialLifetime == nil || *role.MaxCredentialLifetime != want || *role.Limits.ConnectionsPerUser != 4 {
			t.Errorf("%s came back as %v, with %v connections per user", text, role.MaxCredentialLifetime, role.Limits.ConnectionsPerUser)
		}
		role = api.Role{}
		me.owner.do("PATCH", path, `{"max_credential_lifetime": null, "limits": {"connections_per_user": -1}}`).want(200, &role)
		if role.MaxCredentialLifetime != nil || *role.Limits.ConnectionsPerUser != -1 {
			t.Errorf("cleared: %+v", role)
		}
	}
}
