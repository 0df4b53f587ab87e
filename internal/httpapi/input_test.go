package httpapi_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/api"
)

// badRequest is one way to get it wrong, and which field the answer must name.
type badRequest struct {
	method, path string
	body         any
	header       header
	status       int
	pointer      string // empty: no single field
}

func TestBadInputNamesTheFieldAndChangesNothing(t *testing.T) {
	t.Parallel()
	s, victim, me := scene(t)
	accounts, roles := "/v1/tenants/"+me.id+"/accounts", "/v1/accounts/"+me.ids["account"]+"/roles"
	account, role := "/v1/accounts/"+me.ids["account"], "/v1/roles/"+me.ids["role"]
	user := "/v1/users/" + me.ids["user"]
	users, credentials := account+"/users", "/v1/users/"+me.ids["user"]+"/credentials"
	accountKey, seed := nkeyPair(t)
	signUp := func(email, password, tenant string) any {
		return api.SignUp{Email: email, Password: password, TenantName: tenant}
	}
	publish := func(subject string) any {
		return map[string]any{"name": "r", "permissions": map[string]any{"publish": map[string]any{"allow": []string{subject}}}}
	}
	const firstPublish = "/permissions/publish/allow/0"
	limits := func(field string, n int64) any {
		return map[string]any{"name": "a", "limits": map[string]any{field: n}}
	}

	for name, c := range map[string]badRequest{
		"an e-mail that is taken":          {"POST", "/v1/sign-up", signUp(me.email, "correct horse battery", "x"), nil, 409, "/email"},
		"an e-mail that is none":           {"POST", "/v1/sign-up", signUp("nobody", "correct horse battery", "x"), nil, 400, "/email"},
		"a short password":                 {"POST", "/v1/sign-up", signUp("a@b.co", "short", "x"), nil, 400, "/password"},
		"a password everyone uses":         {"POST", "/v1/sign-up", signUp("a@b.co", "password1234", "x"), nil, 400, "/password"},
		"a team with a control character":  {"POST", "/v1/sign-up", signUp("a@b.co", "correct horse battery", "a\x01b"), nil, 400, "/tenant_name"},
		"half a JSON value":                {"POST", accounts, `{"name": "a`, nil, 400, ""},
		"two JSON values":                  {"POST", accounts, `{"name": "a"}{}`, nil, 400, ""},
		"no body":                          {"POST", accounts, nil, nil, 400, ""},
		"an unknown field":                 {"POST", accounts, `{"name": "a", "colour": "red"}`, nil, 400, "/colour"},
		"an unknown field further down":    {"POST", accounts, `{"name": "a", "limits": {"wishes": 3}}`, nil, 400, "/limits/wishes"},
		"a missing field":                  {"POST", accounts, `{}`, nil, 400, "/name"},
		"a wrong type":                     {"POST", accounts, `{"name": 7}`, nil, 400, "/name"},
		"a null where none may be":         {"POST", accounts, `{"name": null}`, nil, 400, "/name"},
		"a body over the limit":            {"POST", accounts, `{"name": "` + strings.Repeat("a", 1<<20) + `"}`, nil, 400, ""},
		"a body that is not JSON":          {"POST", accounts, `name=a`, header{"Content-Type": "application/x-www-form-urlencoded"}, 400, ""},
		"a name that is taken":             {"POST", accounts, `{"name": "furnished"}`, nil, 409, "/name"},
		"a name that is empty":             {"POST", accounts, `{"name": ""}`, nil, 400, "/name"},
		"a name that is too long":          {"POST", accounts, map[string]any{"name": strings.Repeat("a", 65)}, nil, 400, "/name"},
		"a name with a control character":  {"POST", accounts, map[string]any{"name": "a\x7fb"}, nil, 400, "/name"},
		"a name with NUL":                  {"POST", accounts, `{"name": "a\u0000b"}`, nil, 400, "/name"},
		"a description with NUL":           {"POST", accounts, `{"name": "a", "description": "\u0000"}`, nil, 400, "/description"},
		"a user name with a space":         {"POST", users, `{"name": "a b"}`, nil, 400, "/name"},
		"a user name with a dot":           {"POST", users, `{"name": "a.b"}`, nil, 400, "/name"},
		"a user name with a wildcard":      {"POST", users, `{"name": "a>"}`, nil, 400, "/name"},
		"a limit below -1":                 {"POST", accounts, limits("connections", -2), nil, 400, "/limits/connections"},
		"a limit above the plan":           {"POST", accounts, limits("connections", 1_000_000), nil, 400, "/limits/connections"},
		"unlimited above the plan":         {"POST", accounts, limits("connections", -1), nil, 400, "/limits/connections"},
		"an update above the plan":         {"PATCH", account, `{"limits": {"jetstream": {"disk_bytes": 99999999999999}}}`, nil, 400, "/limits/jetstream/disk_bytes"},
		"a subject with an empty token":    {"POST", roles, publish("foo..bar"), nil, 400, firstPublish},
		"a wildcard that is not last":      {"POST", roles, publish(">.x"), nil, 400, firstPublish},
		"a subject with a space":           {"POST", roles, publish("foo bar"), nil, 400, firstPublish},
		"a subject that ends in a dot":     {"POST", roles, publish("foo."), nil, 400, firstPublish},
		"an empty subject":                 {"POST", roles, publish(""), nil, 400, firstPublish},
		"a subject in an update":           {"PATCH", role, `{"permissions": {"subscribe": {"deny": ["ok", "foo..bar"]}}}`, nil, 400, "/permissions/subscribe/deny/1"},
		"a network that is none":           {"POST", roles, `{"name": "r", "source_networks": ["10.0.0.300/8"]}`, nil, 400, "/source_networks/0"},
		"a connection type that is none":   {"POST", roles, `{"name": "r", "connection_types": ["PIGEON"]}`, nil, 400, "/connection_types/0"},
		"a duration that is none":          {"POST", roles, `{"name": "r", "permissions": {"responses": {"max_messages": 1, "expires_in": "soon"}}}`, nil, 400, "/permissions/responses/expires_in"},
		"what is denied altogether":        {"PATCH", role, `{"permissions": {"publish": {"allow": ["ok", "a.b"], "deny": ["a.>"]}}}`, nil, 400, "/permissions/publish/allow/1"},
		"a variable that is none":          {"POST", roles, publish("a.{{nobody()}}"), nil, 400, firstPublish},
		"braces that do not close":         {"POST", roles, publish("a.{{name()}"), nil, 400, firstPublish},
		"a time zone that is none":         {"POST", roles, `{"name": "r", "time_zone": "Mars/Olympus", "times": [{"start": "08:00:00", "end": "18:00:00"}]}`, nil, 400, "/time_zone"},
		"a time that is none":              {"POST", roles, `{"name": "r", "time_zone": "UTC", "times": [{"start": "8am", "end": "18:00:00"}]}`, nil, 400, "/times/0/start"},
		"hours that are empty":             {"PATCH", role, `{"time_zone": "UTC", "times": [{"start": "08:00:00", "end": "08:00:00"}]}`, nil, 400, "/times/0/end"},
		"hours without a time zone":        {"PATCH", role, `{"times": [{"start": "08:00:00", "end": "18:00:00"}]}`, nil, 400, "/time_zone"},
		"a lifetime that is none":          {"PATCH", role, `{"max_credential_lifetime": "long"}`, nil, 400, "/max_credential_lifetime"},
		"a lifetime that is too short":     {"PATCH", role, `{"max_credential_lifetime": "PT1S"}`, nil, 400, "/max_credential_lifetime"},
		"a default above the maximum":      {"PATCH", role, `{"default_credential_lifetime": "P2D", "max_credential_lifetime": "P1D"}`, nil, 400, "/default_credential_lifetime"},
		"fewer connections than none":      {"PATCH", role, `{"limits": {"connections_per_user": -2}}`, nil, 400, "/limits/connections_per_user"},
		"a user with a tag in upper case":  {"POST", users, `{"name": "u", "tags": ["ok", "Team:a"]}`, nil, 400, "/tags/1"},
		"a tag of Signalbox's own":         {"PATCH", user, `{"tags": ["signalbox-users:x"]}`, nil, 400, "/tags/0"},
		"a user for no type there is":      {"PATCH", user, `{"connection_types": ["MQTT", "TELEX"]}`, nil, 400, "/connection_types/1"},
		"a user's fewer than none":         {"PATCH", user, `{"connections": -2}`, nil, 400, "/connections"},
		"another's role":                   {"PATCH", user, `{"role_id": "rol_00000000000000000000000000"}`, nil, 400, "/role_id"},
		"another name for a user":          {"PATCH", user, `{"name": "other"}`, nil, 400, "/name"},
		"a user in a role with its own":    {"PATCH", user, map[string]any{"role_id": me.ids["role"], "permissions": map[string]any{}}, nil, 400, "/permissions"},
		"own permissions in vain":          {"PATCH", user, `{"permissions": {"publish": {"allow": ["a.b"], "deny": [">"]}}}`, nil, 400, "/permissions/publish/allow/0"},
		"an expiry in the past":            {"POST", credentials, map[string]any{"expires_at": time.Now().Add(-time.Hour)}, nil, 400, "/expires_at"},
		"an expiry that is no time":        {"POST", credentials, `{"expires_at": "tomorrow"}`, nil, 400, "/expires_at"},
		"an account's key for a user's":    {"POST", credentials, map[string]any{"public_key": accountKey}, nil, 400, "/public_key"},
		"a seed for a public key":          {"POST", credentials, map[string]any{"public_key": seed}, nil, 400, "/public_key"},
		"a key with a typing error":        {"POST", credentials, `{"public_key": "UAAA"}`, nil, 400, "/public_key"},
		"another tenant's role":            {"POST", users, map[string]any{"name": "u", "role_id": victim.ids["role"]}, nil, 400, "/role_id"},
		"another tenant's account":         {"POST", "/v1/accounts/" + victim.ids["account"] + "/users", `{"name": "u"}`, nil, 404, ""},
		"an id of another kind":            {"GET", "/v1/accounts/" + me.ids["user"], nil, nil, 404, ""},
		"an id that is none":               {"GET", "/v1/accounts/1", nil, nil, 404, ""},
		"an ETag from before":              {"PATCH", account, `{"description": "new"}`, header{"If-Match": `"0"`}, 412, ""},
		"an ETag from before, on deleting": {"DELETE", account, nil, header{"If-Match": `"0"`}, 412, ""},
		"a page cursor that is none":       {"GET", accounts + "?cursor=nonsense", nil, nil, 400, "?cursor"},
		"a page size over the limit":       {"GET", accounts + "?limit=100000", nil, nil, 400, "?limit"},
		"a page size that is no number":    {"GET", accounts + "?limit=many", nil, nil, 400, "?limit"},
		"an order that there is not":       {"GET", accounts + "?sort=colour", nil, nil, 400, "?sort"},
		"a misspelt parameter":             {"GET", accounts + "?limti=3", nil, nil, 400, "?limti"},
		"a search with NUL":                {"GET", accounts + "?q=%00", nil, nil, 400, "?q"},
		"a search that is not UTF-8":       {"GET", accounts + "?q=%ff", nil, nil, 400, "?q"},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.contents()
			var headers []header
			if c.header != nil {
				headers = append(headers, c.header)
			}
			got := me.owner.do(c.method, c.path, c.body, headers...)
			if c.pointer == "" {
				got.want(c.status)
			} else {
				got.wantField(c.status, c.pointer)
			}
			if got.problem().RequestId == "" || got.header.Get("X-Request-Id") != got.problem().RequestId {
				t.Errorf("request id = %q, header %q", got.problem().RequestId, got.header.Get("X-Request-Id"))
			}
			if strings.Contains(string(got.body), seed) {
				t.Errorf("the answer repeats a seed")
			}
			if after := s.contents(); !maps.Equal(before, after) {
				t.Errorf("the database changed")
			}
		})
	}
	if strings.Contains(s.log.String(), seed) {
		t.Errorf("the log holds a seed")
	}
}

// nkeyPair is an account's public key and its seed, both wrong for a user.
func nkeyPair(t *testing.T) (public, seed string) {
	t.Helper()
	kp, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = kp.PublicKey(); err != nil {
		t.Fatal(err)
	}
	s, err := kp.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return public, string(s)
}

func TestEveryWrongFieldIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Many Mistakes")
	got := me.owner.do("POST", "/v1/tenants/"+me.id+"/accounts", `{"name": 7, "colour": 1, "limits": {"connections": -5, "jetstream": {"streams": "x"}}}`)
	for _, pointer := range []string{"/name", "/colour", "/limits/connections", "/limits/jetstream/streams"} {
		got.wantField(400, pointer)
	}
}

func TestARepeatedCreateMakesOneThing(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Twice")
	path := "/v1/tenants/" + me.id + "/accounts"
	key := header{"Idempotency-Key": "3f1c"}
	var first, second api.Account
	me.owner.do("POST", path, `{"name": "orders"}`, key).want(201, &first)
	me.owner.do("POST", path, `{"name": "orders"}`, key).want(201, &second)
	if first.Id != second.Id {
		t.Errorf("ids = %s and %s, want one", first.Id, second.Id)
	}
	me.owner.do("POST", path, `{"name": "payments"}`, key).want(409)

	me.furnish("furnished")
	credentials := "/v1/users/" + me.ids["user"] + "/credentials"
	me.owner.do("POST", credentials, `{}`, header{"Idempotency-Key": "9a"}).want(201)
	refused := me.owner.do("POST", credentials, `{}`, header{"Idempotency-Key": "9a"}).want(409)
	if !strings.Contains(refused.problem().Detail, "crd_") {
		t.Errorf("the refusal does not say which credential it was: %s", refused.body)
	}
	var page api.CredentialPage
	if me.owner.do("GET", credentials, nil).want(200, &page); len(page.Items) != 2 {
		t.Errorf("credentials = %d, want the furnished one and one more", len(page.Items))
	}
}

func TestCredsComeAsFileOrJSONOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Once Only")
	me.furnish("My Orders")
	path := "/v1/users/" + me.ids["user"] + "/credentials"
	file := me.owner.do("POST", path, `{}`, header{"Accept": "text/plain"}).want(201)
	if got := file.header.Get("Content-Disposition"); got != "attachment; filename=My-Orders-someone.creds" {
		t.Errorf("Content-Disposition = %q", got)
	}
	if !strings.Contains(string(file.body), "-----BEGIN NATS USER JWT-----") || !strings.Contains(string(file.body), "-----BEGIN USER NKEY SEED-----") {
		t.Errorf("not a creds file: %s", file.body)
	}
	var issued api.CredentialIssued
	me.owner.do("POST", path, `{"name": "laptop"}`).want(201, &issued)
	if issued.Creds == nil || issued.FileName == nil || !strings.Contains(*issued.Creds, issued.Jwt) {
		t.Errorf("issued = %+v, want creds with their JWT and a file name", issued)
	}
	again := me.owner.do("GET", "/v1/credentials/"+issued.Credential.Id, nil).want(200)
	if strings.Contains(string(again.body), "SEED") || strings.Contains(string(again.body), issued.Jwt) {
		t.Errorf("the secret is shown twice: %s", again.body)
	}

	kp, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	var own api.CredentialIssued
	me.owner.do("POST", path, map[string]any{"public_key": public}).want(201, &own)
	if own.Creds != nil || own.FileName != nil || own.Credential.PublicKey != public || own.Jwt == "" {
		t.Errorf("issued = %+v, want a JWT for %s alone", own, public)
	}
}

func TestAMergePatchLeavesWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Patchwork")
	var role api.Role
	me.furnish("a")
	me.owner.do("POST", "/v1/accounts/"+me.ids["account"]+"/roles", `{"name": "svc", "description": "answers",
		"permissions": {"publish": {"allow": ["a"]}, "subscribe": {"deny": ["b"]}, "responses": {"max_messages": 1, "expires_in": "PT5S"}},
		"connection_types": ["WEBSOCKET"], "limits": {"subscriptions": 5}}`).want(201, &role)
	path := "/v1/roles/" + role.Id

	role = api.Role{}
	me.owner.do("PATCH", path, `{"permissions": {"responses": null}}`, header{"Content-Type": "application/merge-patch+json"}).want(200, &role)
	if role.Permissions.Responses != nil {
		t.Errorf("responses = %+v, want none after null", role.Permissions.Responses)
	}
	if p := role.Permissions; p.Publish.Allow == nil || (*p.Publish.Allow)[0] != "a" || (*p.Subscribe.Deny)[0] != "b" {
		t.Errorf("permissions = %+v, want the rest as it was", p)
	}
	if role.Description != "answers" || len(role.ConnectionTypes) != 1 || *role.Limits.Subscriptions != 5 || *role.Limits.PayloadBytes != -1 {
		t.Errorf("role = %+v, want the rest as it was", role)
	}
	before := role.Etag
	if me.owner.do("PATCH", path, `{}`).want(200, &role); role.Etag != before {
		t.Errorf("an edit of nothing changed the ETag from %s to %s", before, role.Etag)
	}
	me.owner.do("PATCH", path, `{"name": "service"}`, header{"If-Match": before}).want(200, &role)
	me.owner.do("PATCH", path, `{"name": "again"}`, header{"If-Match": before}).want(412)
}

func TestAnotherSiteCannotRideTheSession(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Target")
	me.owner.do("POST", "/v1/tenants/"+me.id+"/accounts", `{"name": "a"}`, header{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}).want(http.StatusForbidden)
	me.owner.do("POST", "/v1/tenants/"+me.id+"/accounts", `{"name": "a"}`, header{"Sec-Fetch-Site": "same-origin"}).want(201)
}

func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Quiet")
	me.furnish("a")
	token := me.token("admin")
	token.do("GET", "/v1/accounts/"+me.ids["account"]+"?q=secret-search", nil).want(400)
	var issued api.CredentialIssued
	token.do("POST", "/v1/users/"+me.ids["user"]+"/credentials", `{}`).want(201, &issued)
	log := s.log.String()
	for name, secret := range map[string]string{"a session": me.owner.session, "an API token": token.token, "a password": "correct horse battery",
		"a JWT": issued.Jwt, "a query": "secret-search"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s", name)
		}
	}
	if !strings.Contains(log, `"actor":"tok_`) || !strings.Contains(log, `"request_id":"req_`) {
		t.Errorf("log lines lack actor or request id:\n%s", log)
	}
}
