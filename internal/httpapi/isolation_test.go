package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// prefixes of the ids that path parameters name. An operation with another
// parameter fails the tests here until it is listed.
var prefixes = map[string]string{
	"tenant": "ten", "account": "acc", "role": "rol", "user": "usr", "credential": "crd", "device_login": "dlg",
	"api_token": "tok", "operator": "opr", "broker": "brk", "server": "srv",
	"plan": "pln", "operation": "opn", "oidc_issuer": "oid",
}

// operation is one of the document's, as these tests see it.
type operation struct {
	*openapi3.Operation
	method, path string
	who, role    string
}

func operations(t *testing.T, doc *openapi3.T) []operation {
	t.Helper()
	var all []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			access, ok := op.Extensions["x-access"].(map[string]any)
			if !ok {
				t.Fatalf("%s does not declare x-access", op.OperationID)
			}
			role, _ := access["role"].(string)
			all = append(all, operation{op, method, path, access["who"].(string), role})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
}

// at is the operation's path with the ids put in.
func (o operation) at(t *testing.T, ids map[string]string) string {
	t.Helper()
	return at(t, o.path, ids)
}

// at is a path of the document with the ids put in.
func at(t *testing.T, path string, ids map[string]string) string {
	t.Helper()
	return regexp.MustCompile(`\{([a-z_]+)\}`).ReplaceAllStringFunc(path, func(p string) string {
		if p == "{version}" {
			return "1"
		}
		id := ids[strings.Trim(p, "{}")]
		if id == "" {
			t.Fatalf("%s: the test has no id for path parameter %s", path, p)
		}
		return id
	})
}

// example is the body that the document gives, or nil when the operation takes
// none. Where it names a resource, such as account_id, it names that of the ids.
func (o operation) example(t *testing.T, ids map[string]string) any {
	t.Helper()
	if o.RequestBody == nil {
		return nil
	}
	content := o.RequestBody.Value.Content["application/json"]
	if content == nil || content.Example == nil {
		t.Fatalf("%s takes a body and gives no example", o.OperationID)
	}
	return withIDs(content.Example, ids)
}

// withIDs is an example in which things are named by ids that there are.
func withIDs(v any, ids map[string]string) any {
	switch v := v.(type) {
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = withIDs(list[i], ids)
		}
		return list
	case map[string]any:
		body := maps.Clone(v)
		for name := range body {
			if id := ids[strings.TrimSuffix(name, "_id")]; strings.HasSuffix(name, "_id") && id != "" {
				body[name] = id
			} else {
				body[name] = withIDs(body[name], ids)
			}
		}
		return body
	}
	return v
}

// absent are ids of things that never were.
func absent() map[string]string {
	ids := map[string]string{}
	for name, prefix := range prefixes {
		ids[name] = tenants.NewID[string](prefix)
	}
	return ids
}

// scene is two tenants with everything, and an enrolled broker.
func scene(t *testing.T) (s *server, victim, stranger *tenant) {
	t.Helper()
	s = setup(t)
	s.exec(`UPDATE plans SET max_accounts = -1`)
	victim, stranger = s.signUp("Victim Vaults"), s.signUp("Stranger Inc")
	for _, who := range []*tenant{victim, stranger} {
		who.token("admin")
		who.furnish("furnished")
		maps.Copy(who.ids, s.installation())
		who.onPlan(s.plan())
	}
	return s, victim, stranger
}

// installation is the ids of the default operator and an enrolled broker.
func (s *server) installation() map[string]string {
	s.t.Helper()
	const token = "sbe_enrolment-token-of-the-tests"
	if err := s.domain.EnsureEnrollment(s.t.Context(), token); err != nil {
		s.t.Fatal(err)
	}
	kp, err := nkeys.CreateUser()
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := kp.PublicKey()
	if err != nil {
		s.t.Fatal(err)
	}
	var seat api.BrokerEnrolled
	caller{s: s, token: token}.do("POST", "/v1/brokers", map[string]any{
		"name": "broker-" + strings.ToLower(key[:8]), "public_key": key, "cluster": "", "control_url": "nats://127.0.0.1:4222",
		"endpoints": api.BrokerEndpoints{Nats: []string{"nats://127.0.0.1:4222"}, Websocket: []string{}, Mqtt: []string{}, Leafnode: []string{}},
	}).want(201, &seat)
	return map[string]string{"operator": seat.OperatorId, "broker": seat.Id, "broker token": seat.Token, "enrolment token": token,
		"server": s.attach(seat.OperatorId, "server-"+strings.ToLower(key[:8]))}
}

var staff = tenants.Actor{ID: "per_staff", Staff: true}

// plan makes a plan with two versions, and one with the id that is in the document's examples.
func (s *server) plan() string {
	s.t.Helper()
	const columns = `max_accounts, max_roles, max_users, account_limits, created_at, updated_at`
	s.exec(`
		INSERT INTO plans (id, first_id, name, ` + columns + `)
		SELECT 'pln_01jd3zq4y6e8r9tq2m5n7p8s0v', 'pln_01jd3zq4y6e8r9tq2m5n7p8s0v', 'Example', ` + columns + `
		FROM plans
		WHERE is_default
		ON CONFLICT DO NOTHING`)
	plans, err := s.domain.Plans(s.t.Context(), staff, tenants.PageQuery{Query: "Free"})
	if err != nil {
		s.t.Fatal(err)
	}
	terms := plans.Items[0].PlanSpec
	terms.Name = "Plan " + tenants.NewID[string]("pln")[20:]
	plan, err := s.domain.CreatePlan(s.t.Context(), staff, tenants.Once{}, terms)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.domain.UpdatePlan(s.t.Context(), staff, plan.ID, "", func(spec *tenants.PlanSpec) error { spec.MaxRoles = 7; return nil }); err != nil {
		s.t.Fatal(err)
	}
	return string(plan.ID)
}

// onPlan puts the tenant on the plan's first version, which is an operation.
func (t *tenant) onPlan(plan string) {
	s := t.owner.s
	s.t.Helper()
	_, operation, err := s.domain.SetTenantPlan(s.t.Context(), staff, tenants.TenantID(t.id), "", tenants.PlanID(plan), 1)
	if err != nil {
		s.t.Fatal(err)
	}
	t.ids["plan"], t.ids["operation"] = plan, string(operation.ID)
}

// attach attaches a server that nobody can reach, and answers its id.
func (s *server) attach(operator, name string) string {
	s.t.Helper()
	attached, err := s.domain.AttachServer(s.t.Context(), staff, tenants.OperatorID(operator), tenants.Once{},
		tenants.ServerSpec{Name: name, URLs: []string{"nats://127.0.0.1:1"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(attached.ID)
}

// contents is a digest of every table, so that "nothing changed" means nothing.
func (s *server) contents() map[string]string {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
	if err != nil {
		s.t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			s.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	digests := map[string]string{}
	for _, table := range tables {
		var digest string
		sql := fmt.Sprintf(`SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM %q t`, table)
		if err := s.pool.QueryRow(s.t.Context(), sql).Scan(&digest); err != nil {
			s.t.Fatal(err)
		}
		digests[table] = digest
	}
	return digests
}

func TestEveryOperationRefusesWhoItIsNotFor(t *testing.T) {
	t.Parallel()
	s, victim, stranger := scene(t)
	strangerToken := stranger.token("admin")
	none := absent()
	victimWords := append(slices.Collect(maps.Values(victim.ids)), "Victim", victim.email)

	for _, op := range operations(t, s.doc) {
		t.Run(op.OperationID, func(t *testing.T) {
			before := s.contents()
			if op.who == "public" {
				if !slices.Contains([]string{"signUp", "logIn", "challengeRenewal", "renewCredential", "exchangeOidcToken"}, op.OperationID) {
					t.Errorf("%s is open to everybody; only signing up, logging in and proving to hold a credential, or a token, may be", op.OperationID)
				}
				return
			}
			callers := map[string]caller{
				"another tenant's session": {s: s, session: stranger.owner.session},
				"another tenant's token":   strangerToken,
				"nobody":                   {s: s},
				"a made-up session":        {s: s, session: "c2Vzc2lvbg"},
				"a made-up token":          {s: s, token: "sbt_bWFkZSB1cA"},
			}
			for name, c := range callers {
				if op.who == "person" && op.role == "" && name == "another tenant's session" {
					continue // it is about the caller alone: see TestAPersonSeesOnlyThemselves
				}
				body := op.example(t, victim.ids)
				sent := op.at(t, victim.ids) + fmt.Sprint(body)
				got := c.do(op.method, op.at(t, victim.ids), body)
				wantRefusal(t, name, op, got)
				same := c.do(op.method, op.at(t, none), op.example(t, none))
				if a, b := anonymous(got, victim.ids), anonymous(same, none); a != b {
					t.Errorf("%s can tell what exists from what does not:\nexists: %s\nabsent: %s", name, a, b)
				}
				for _, word := range victimWords {
					if word != "" && !strings.Contains(sent, word) && strings.Contains(string(got.body), word) {
						t.Errorf("%s learns %q from %s", name, word, got.body)
					}
				}
			}
			if after := s.contents(); !maps.Equal(before, after) {
				t.Errorf("the database changed:\nbefore %v\nafter  %v", before, after)
			}
		})
	}
}

func wantRefusal(t *testing.T, name string, op operation, got answer) {
	t.Helper()
	want := http.StatusUnauthorized
	switch name {
	case "another tenant's session":
		want = map[string]int{"member": http.StatusNotFound, "person": http.StatusNotFound, "staff": http.StatusForbidden}[op.who]
	case "another tenant's token":
		want = map[string]int{"member": http.StatusNotFound}[op.who]
	}
	if want == 0 {
		want = http.StatusUnauthorized
	}
	if got.status != want {
		t.Errorf("%s: status = %d, want %d\n%s", name, got.status, want, got.body)
	}
}

// anonymous is an answer without what may differ: the ids asked for and the request's.
func anonymous(a answer, ids map[string]string) string {
	text := string(a.body)
	for name, id := range ids {
		text = strings.ReplaceAll(text, id, "<"+name+">")
	}
	return fmt.Sprint(a.status, " ", regexp.MustCompile(`"request_id":"[^"]*"`).ReplaceAllString(text, `"request_id":""`))
}

func TestAPersonSeesOnlyThemselves(t *testing.T) {
	t.Parallel()
	s, victim, stranger := scene(t)
	for _, op := range operations(t, s.doc) {
		if op.who != "person" {
			continue
		}
		got := stranger.logIn().do(op.method, op.at(t, stranger.ids), op.example(t, stranger.ids))
		if got.status >= 300 {
			t.Errorf("%s: status = %d\n%s", op.OperationID, got.status, got.body)
		}
		if strings.Contains(string(got.body), victim.id) || strings.Contains(string(got.body), victim.email) {
			t.Errorf("%s tells of another tenant: %s", op.OperationID, got.body)
		}
	}
}

func TestListsHoldOnlyTheCallersOwn(t *testing.T) {
	t.Parallel()
	s, victim, stranger := scene(t)
	for _, op := range operations(t, s.doc) {
		if op.who != "member" || op.method != http.MethodGet {
			continue
		}
		got := stranger.owner.do(op.method, op.at(t, stranger.ids), nil).want(200)
		for name, id := range victim.ids {
			if stranger.ids[name] != id && strings.Contains(string(got.body), id) {
				t.Errorf("%s shows another tenant's %s: %s", op.OperationID, name, got.body)
			}
		}
	}
}

func TestAnotherTenantsIdInABodyIsNotFound(t *testing.T) {
	t.Parallel()
	s, victim, stranger := scene(t)
	path := "/v1/accounts/" + stranger.ids["account"] + "/users"
	before := s.contents()
	foreign := stranger.owner.do("POST", path, map[string]any{"name": "thief", "role_id": victim.ids["role"]})
	none := tenants.NewID[string]("rol")
	missing := stranger.owner.do("POST", path, map[string]any{"name": "thief", "role_id": none})
	foreign.wantField(http.StatusBadRequest, "/role_id")
	if a, b := anonymous(foreign, victim.ids), anonymous(missing, map[string]string{"role": none}); a != b {
		t.Errorf("a foreign role and a missing one differ:\n%s\n%s", a, b)
	}
	if after := s.contents(); !maps.Equal(before, after) {
		t.Errorf("the database changed")
	}
}

// Every member operation works for who holds its role, with the document's
// example, and for nobody who holds less.
func TestEveryExampleWorksForTheLeastRoleThatMayDoIt(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`UPDATE plans SET max_accounts = -1`)
	owner := s.signUp("Analytical Engines")
	owner.onPlan(s.plan())
	tokens := map[string]caller{}
	for _, role := range []string{"viewer", "developer", "admin"} {
		tokens[role] = owner.token(role)
	}
	lesser := map[string]string{"developer": "viewer", "admin": "developer"}
	for i, op := range operations(t, s.doc) {
		if op.who != "member" {
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			owner.furnish(fmt.Sprint("account ", i))
			owner.token("viewer") // one to delete
			if op.OperationID == "purgeAccount" {
				owner.deleted(op.example(t, owner.ids).(map[string]any)["name"])
			}
			if least, ok := lesser[op.role]; ok {
				before := s.contents()
				tokens[least].do(op.method, op.at(t, owner.ids), op.example(t, owner.ids)).want(http.StatusForbidden)
				if after := s.contents(); !maps.Equal(before, after) {
					t.Errorf("refusing a %s changed the database", least)
				}
			}
			if got := tokens[op.role].do(op.method, op.at(t, owner.ids), op.example(t, owner.ids)); got.status >= 300 {
				t.Errorf("a %s: status = %d\n%s", op.role, got.status, got.body)
			}
		})
	}
}

func TestEveryOtherExampleWorksForWhoItIsFor(t *testing.T) {
	t.Parallel()
	s, _, owner := scene(t)
	s.exec(`UPDATE people SET is_staff = true WHERE email = $1`, owner.email)
	done := map[string]bool{}
	send := func(op operation, c caller, body any) {
		done[op.OperationID] = true
		if got := c.do(op.method, op.at(t, owner.ids), body); got.status >= 300 {
			t.Errorf("%s: status = %d\n%s", op.OperationID, got.status, got.body)
		}
	}
	for _, op := range operations(t, s.doc) {
		switch op.who {
		case "staff", "person":
			owner.ids["server"] = s.attach(owner.ids["operator"], "for "+op.OperationID) // one may be detached already
			ids := owner.ids
			if op.OperationID == "rotateSystemAccount" { // which no other rotation and no attached server may be in the way of
				var fresh api.Operator
				owner.logIn().do("POST", "/v1/operators", map[string]any{"name": "Rotated"}).want(http.StatusCreated, &fresh)
				owner.ids = map[string]string{"operator": fresh.Id}
			}
			send(op, owner.logIn(), op.example(t, owner.ids))
			owner.ids = ids
		case "enrollment":
			send(op, caller{s: s, token: owner.ids["enrolment token"]}, op.example(t, owner.ids))
		case "broker":
			send(op, caller{s: s, token: owner.ids["broker token"]}, op.example(t, owner.ids))
		}
	}
	for _, op := range operations(t, s.doc) { // signing up, then logging in as who signed up
		if op.OperationID == "signUp" {
			send(op, caller{s: s}, op.example(t, owner.ids))
		}
	}
	for _, op := range operations(t, s.doc) {
		if op.who != "public" || done[op.OperationID] {
			continue
		}
		body := op.example(t, owner.ids)
		if op.OperationID == "renewCredential" { // an example of a proof proves nothing
			body = owner.prove(owner.ids["credential"], owner.creds)
		}
		if op.OperationID == "exchangeOidcToken" {
			body = map[string]any{"token": idToken(t, nil)}
		}
		send(op, caller{s: s}, body)
	}
}

func TestSecurityInTheDocumentSaysWhatAccessDoes(t *testing.T) {
	t.Parallel()
	doc, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"public": `[]`, "person": `[{"session":[]}]`, "staff": `[{"session":[]}]`, "member": `[{"session":[]},{"token":[]}]`,
		"enrollment": `[{"enrollment":[]}]`, "broker": `[{"broker":[]}]`,
	}
	for _, op := range operations(t, doc) {
		security := doc.Security
		if op.Security != nil {
			security = *op.Security
		}
		got, err := json.Marshal(security)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want[op.who] {
			t.Errorf("%s: security = %s, want %s for x-access %s", op.OperationID, got, want[op.who], op.who)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Sessions")
	second := owner.logIn()
	second.do("DELETE", "/v1/sessions/current", nil).want(204)
	second.do("GET", "/v1/me", nil).want(401)
	owner.owner.do("GET", "/v1/me", nil).want(200)
	s.exec(`UPDATE sessions SET expires_at = $1`, time.Now().Add(-time.Second))
	owner.owner.do("GET", "/v1/me", nil).want(401)
}

// Seeds rest sealed: none is readable anywhere in the database.
func TestNoSeedRestsInTheClear(t *testing.T) {
	t.Parallel()
	s, _, _ := scene(t)
	seed := regexp.MustCompile(`S[OANU][A-Z2-7]{56}`)
	sealed := 0
	for table := range s.contents() {
		var text string
		sql := fmt.Sprintf(`SELECT coalesce(string_agg(t::text, ' '), '') FROM %q t`, table)
		if err := s.pool.QueryRow(t.Context(), sql).Scan(&text); err != nil {
			t.Fatal(err)
		}
		if seed.MatchString(text) {
			t.Errorf("%s keeps a seed in the clear", table)
		}
		hexed := strings.ToUpper(fmt.Sprintf("%x", "SA")) // a seed kept as bare bytes would begin so
		if strings.Contains(text, `\\x`+hexed) {
			t.Errorf("%s keeps a seed as bare bytes", table)
		}
		sealed += strings.Count(text, `\\x`)
	}
	if sealed == 0 {
		t.Error("no sealed seed was found: the test looks in the wrong place")
	}
}
