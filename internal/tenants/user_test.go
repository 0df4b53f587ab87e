package tenants

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// change edits a user.
func (w *world) change(user User, edit func(*UserSpec)) User {
	w.t.Helper()
	return must(w.UpdateUser(w.t.Context(), w.owner, user.ID, "", func(s *UserSpec) error { edit(s); return nil }))(w.t)
}

func (w *world) move(user User, to Role) User {
	w.t.Helper()
	return w.change(user, func(s *UserSpec) { s.RoleID = to.ID })
}

// stockRevokes says whether a server that knows nothing of overrides must refuse the credential.
func (w *world) stockRevokes(c IssuedCredential) bool {
	w.t.Helper()
	stock := must(w.StockJWT(w.t.Context(), w.operator.ID, w.account.PublicKey))(w.t)
	facts := must(claims.DecodeAccount(stock.JWT))(w.t)
	at, ok := facts.Revoked[c.PublicKey]
	return ok && !at.Before(must(claims.DecodeUser(c.JWT))(w.t).IssuedAt)
}

func (w *world) wantOverrides(want ...claims.UserOverride) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.facts(w.account.PublicKey).Overrides); diff != "" {
		w.t.Errorf("overrides in the JWT (-want +got):\n%s", diff)
	}
}

func TestMovedUserIsInTheJWTAsLongAsItsCredentialsSayOtherwise(t *testing.T) {
	t.Parallel()
	w := setup(t)
	from, to := w.role("from"), w.role("to")
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: from.ID, Tags: []string{"team:blue"}}))(t)
	before := w.head()
	w.move(user, to) // without credentials
	w.move(user, from)
	if w.head() != before {
		t.Error("brokers heard of a user that has no credentials")
	}
	old := w.credential(user)
	if facts := must(claims.DecodeUser(old.JWT))(t); facts.Issuer != from.PublicKey || !slices.Equal(facts.Tags, []string{"team:blue"}) {
		t.Errorf("the JWT is %+v, want one of role from, with the user's tags", facts)
	}
	if old.RoleID != from.ID || old.StaleSince != nil {
		t.Errorf("issued = %+v", old.Credential)
	}

	moved := w.move(user, to)
	if moved.RoleID != to.ID || moved.MovedCredentials != 1 || moved.Version == user.Version {
		t.Errorf("moved = %+v", moved)
	}
	w.wantOverrides(claims.UserOverride{Name: "u", Role: to.PublicKey, Tags: []string{"team:blue"}, Connections: claims.Unlimited})
	if !w.stockRevokes(old) {
		t.Error("a server that cannot know that the user was moved lets its credential in")
	}
	if _, revoked := w.facts(w.account.PublicKey).Revoked[old.PublicKey]; revoked {
		t.Error("to brokers the credential is revoked")
	}
	w.audited(t, "updateUser", string(user.ID))
	fresh := w.credential(moved)
	if facts := must(claims.DecodeUser(fresh.JWT))(t); facts.Issuer != to.PublicKey || fresh.StaleSince != nil || w.stockRevokes(fresh) {
		t.Errorf("a credential issued after the move is %+v", facts)
	}

	w.change(moved, func(s *UserSpec) { s.Tags = []string{"team:red"} })
	w.wantOverrides(claims.UserOverride{Name: "u", Role: to.PublicKey, Tags: []string{"team:red"}, Connections: claims.Unlimited})
	if !w.stockRevokes(fresh) {
		t.Error("a server that cannot know of the user's other tags lets its credential in")
	}
	back := w.change(moved, func(s *UserSpec) { s.RoleID, s.Tags = from.ID, []string{"team:blue"} })
	if back.MovedCredentials != 1 || w.stockRevokes(old) || !w.stockRevokes(fresh) {
		t.Errorf("back where it was: %+v, want only the credential issued meanwhile to say otherwise", back)
	}
	must(w.RevokeCredential(t.Context(), w.owner, fresh.ID, ""))(t)
	w.wantOverrides()
}

func TestOverrideEndsWithTheCredential(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	user, to := w.user("u"), w.role("to")
	w.lives(user, time.Hour)
	w.move(user, to)
	if len(w.facts(w.account.PublicKey).Overrides) != 1 {
		t.Fatal("no override")
	}
	w.at(now.Add(time.Hour + revocationGrace + time.Second))
	w.role("another")
	w.wantOverrides()
	if u := must(w.User(t.Context(), w.owner, user.ID))(t); u.ActiveCredentials != 0 || u.MovedCredentials != 0 {
		t.Errorf("user = %+v", u)
	}
}

func TestRenewedCredentialStaysThatOfAMovedUser(t *testing.T) {
	t.Parallel()
	w := setup(t)
	start := time.Now().UTC().Truncate(time.Second)
	w.at(start)
	from, to := w.role("from"), w.role("to")
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: from.ID}))(t)
	old := w.credential(user)
	w.at(start.Add(time.Minute))
	user = w.move(user, to)
	w.at(start.Add(2 * time.Minute))
	renewed := must(w.ExtendCredential(t.Context(), w.owner, old.ID, CredentialLife{}))(t)
	if facts := must(claims.DecodeUser(renewed.JWT))(t); facts.Issuer != to.PublicKey {
		t.Errorf("renewed under %s, want the role of now", facts.Issuer)
	}
	if u := must(w.User(t.Context(), w.owner, user.ID))(t); u.MovedCredentials != 0 {
		t.Errorf("%d credentials are of before the move, want none: the only one was renewed", u.MovedCredentials)
	}
	w.role("r")                                                                                        // signs the account
	w.wantOverrides(claims.UserOverride{Name: "u", Role: to.PublicKey, Connections: claims.Unlimited}) // for the JWT of before
	w.at(start.Add(3 * time.Minute))
	w.move(user, from) // its first JWT says so, its second does not
	w.wantOverrides(claims.UserOverride{Name: "u", Role: from.PublicKey, Connections: claims.Unlimited})
	if n := must(w.DeleteRole(t.Context(), w.owner, to.ID, ""))(t); n != 0 {
		t.Errorf("deleting a role revoked %d credentials that another signed, too", n)
	}
}

func TestNumberOfConnectionsOfItsOwn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec := RoleSpec{Name: "capped", Template: claims.OpenTemplate(), ConnectionsPerUser: ptr(int64(5))}
	role := must(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, spec))(t)
	if diff := cmp.Diff(map[claims.AccountKey]int64{role.PublicKey: 5}, w.facts(w.account.PublicKey).RoleConnections); diff != "" {
		t.Errorf("role connections in the JWT (-want +got):\n%s", diff)
	}
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: role.ID, Connections: ptr(int64(2))}))(t)
	w.wantOverrides(claims.UserOverride{Name: "u", Role: role.PublicKey, Connections: 2})
	w.change(user, func(s *UserSpec) { s.Connections = ptr(claims.Unlimited) })
	w.wantOverrides(claims.UserOverride{Name: "u", Role: role.PublicKey, Connections: claims.Unlimited})
	w.change(user, func(s *UserSpec) { s.Connections = nil })
	w.wantOverrides()
	w.credential(user)
	w.move(user, w.role("open"))
	w.move(user, role)
	w.wantOverrides()
	w.change(user, func(s *UserSpec) { s.Tags = []string{"a:b"} })
	w.wantOverrides(claims.UserOverride{Name: "u", Role: role.PublicKey, Tags: []string{"a:b"}, Connections: 5}) // the role's
	must(w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error { s.ConnectionsPerUser = nil; return nil }))(t)
	w.wantOverrides(claims.UserOverride{Name: "u", Role: role.PublicKey, Tags: []string{"a:b"}, Connections: claims.Unlimited})
	if _, err := w.DeleteUser(t.Context(), w.owner, user.ID, ""); err != nil {
		t.Fatal(err)
	}
	w.wantOverrides()
}

func TestConnectionTypesOfItsOwn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("any")
	create := UserSpec{Name: "u", RoleID: role.ID, ConnectionTypes: []claims.ConnectionType{claims.WebSocket, claims.MQTT}}
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, create))(t)
	own := func(types ...claims.ConnectionType) claims.UserOverride {
		return claims.UserOverride{Name: "u", Role: role.PublicKey, Connections: claims.Unlimited, ConnectionTypes: types}
	}
	w.wantOverrides(own(claims.WebSocket, claims.MQTT))
	w.change(user, func(s *UserSpec) { s.ConnectionTypes = []claims.ConnectionType{claims.Standard} })
	w.wantOverrides(own(claims.Standard))
	before := w.head()
	w.change(user, func(s *UserSpec) { s.ConnectionTypes = []claims.ConnectionType{claims.Standard} })
	if w.head() != before {
		t.Error("brokers heard of an edit that changes nothing")
	}
	w.change(user, func(s *UserSpec) { s.ConnectionTypes = nil })
	w.wantOverrides()

	w.change(user, func(s *UserSpec) { s.ConnectionTypes = []claims.ConnectionType{claims.LeafNode} })
	if _, err := w.DeleteUser(t.Context(), w.owner, user.ID, ""); err != nil {
		t.Fatal(err)
	}
	w.wantOverrides()
	create.ConnectionTypes = []claims.ConnectionType{claims.Standard, "PIGEON", claims.Standard}
	_, err := w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, create)
	refused(t, err, fault.Invalid, "/connection_types/1", "/connection_types/2")
}

// What the user's own types leave decides which credentials it can use.
func TestTypesOfAUserDecideWhatIsIssuedToIt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	only := func(types ...claims.ConnectionType) {
		w.change(user, func(s *UserSpec) { s.ConnectionTypes = types })
	}
	issue := func() error {
		return second(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{}))
	}
	batch := func() error {
		spec := BatchSpec{Field: "names", Entries: []BatchEntry{{User: "other"}, {User: "u"}}}
		return second(w.IssueBatch(t.Context(), w.owner, w.account.ID, Once{}, nil, spec, func([]BatchIssued) error { return nil }))
	}
	login := func() error {
		return second(w.CreateDeviceLogin(t.Context(), w.owner, user.ID, Once{}, DeviceLoginSpec{Kind: PasswordLogin}))
	}
	w.user("other")
	only(claims.MQTT)
	for name, issue := range map[string]func() error{"a credential": issue, "a batch": batch} {
		err := issue()
		if refused(t, err, fault.Conflict); err == nil || !strings.Contains(err.Error(), "the user u allows") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := login(); err != nil {
		t.Errorf("a password over MQTT: %v", err)
	}
	must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
		s.Settings.ConnectionTypes = []claims.ConnectionType{claims.Standard}
		return nil
	}))(t)
	if err := login(); err == nil || !strings.Contains(err.Error(), "the user u is for connections of the type MQTT") {
		t.Errorf("a user for MQTT in an account that allows none: %v", err)
	}
	only(claims.Standard)
	if err := issue(); err != nil {
		t.Error(err)
	}
}

func TestPermissionsOfItsOwnAreAPrivateRole(t *testing.T) {
	t.Parallel()
	w := setup(t)
	sensor := must(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "sensor", Template: sensorTemplate(), ConnectionsPerUser: ptr(int64(3))}))(t)
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "sensor", RoleID: sensor.ID}))(t)
	old := w.credential(user)
	mine := claims.Permissions{Publish: claims.Permission{Allow: []string{"mine.>"}}}

	user = w.change(user, func(s *UserSpec) { s.Permissions = &mine })
	own := must(w.Role(t.Context(), w.owner, user.RoleID))(t)
	want := withPermissions(sensorTemplate(), mine)
	if diff := cmp.Diff(want, own.Template); diff != "" {
		t.Errorf("its own role's template (-want +got):\n%s", diff)
	}
	if !own.Private || own.Name != "sensor" || user.RoleName != "sensor" || user.Own == nil || own.ConnectionsPerUser == nil || *own.ConnectionsPerUser != 3 {
		t.Errorf("its own role is %+v, the user %+v", own, user)
	}
	w.wantRoleInJWT(own)
	w.wantOverrides(claims.UserOverride{Name: "sensor", Role: own.PublicKey, Connections: 3})
	for _, role := range must(w.Roles(t.Context(), w.owner, w.account.ID, PageQuery{}))(t).Items {
		if role.Private {
			t.Errorf("the list of roles has %+v", role)
		}
	}
	if c := w.credential(user); must(claims.DecodeUser(c.JWT))(t).Issuer != own.PublicKey {
		t.Error("its credentials are not signed by its own role")
	}
	must(w.UpdateRole(t.Context(), w.owner, own.ID, "", func(s *RoleSpec) error { s.Template.SourceNetworks = nil; return nil }))(t)
	_, err := w.UpdateRole(t.Context(), w.owner, own.ID, "", func(s *RoleSpec) error { s.Name = "other"; return nil })
	refused(t, err, fault.Invalid, "/name")
	refused(t, second(w.DeleteRole(t.Context(), w.owner, own.ID, "")), fault.Conflict)
	_, err = w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "thief", RoleID: own.ID})
	refused(t, err, fault.Invalid, "/role_id")

	mine.Publish.Allow = []string{"more.>"}
	again := w.change(user, func(s *UserSpec) { s.Permissions = &mine })
	if again.RoleID != own.ID || again.Own.Publish.Allow[0] != "more.>" || len(again.Own.SourceNetworks) != 0 {
		t.Errorf("after another edit: %+v", again)
	}
	back := w.change(user, func(s *UserSpec) { s.RoleID = sensor.ID })
	if back.Own != nil || back.RoleID != sensor.ID || back.MovedCredentials != 1 {
		t.Errorf("back in a role: %+v", back)
	}
	must(w.Role(t.Context(), w.owner, own.ID))(t) // it has signed a credential that is in use
	must(w.RevokeCredential(t.Context(), w.owner, old.ID, ""))(t)
	if n := must(w.DeleteRole(t.Context(), w.owner, own.ID, ""))(t); n != 1 {
		t.Errorf("deleting it revoked %d credentials, want 1", n)
	}
	w.wantOverrides()

	alone := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "alone", Permissions: &mine}))(t)
	w.wantRoleInJWT(must(w.Role(t.Context(), w.owner, alone.RoleID))(t))
	if _, err := w.DeleteUser(t.Context(), w.owner, alone.ID, ""); err != nil {
		t.Fatal(err)
	}
	refused(t, second(w.Role(t.Context(), w.owner, alone.RoleID)), fault.NotFound)
	if roles := w.facts(w.account.PublicKey).Roles; len(roles) != 2 {
		t.Errorf("the JWT has %d roles, want the default one and sensor", len(roles))
	}
	home := w.change(w.change(back, func(s *UserSpec) { s.Permissions = &mine }), func(s *UserSpec) { s.Permissions = nil })
	if home.RoleName != DefaultRole || home.Own != nil {
		t.Errorf("without permissions of its own: %+v, want the default role", home)
	}
	w.plan("max_roles = 2")
	_, err = w.UpdateUser(t.Context(), w.owner, back.ID, "", func(s *UserSpec) error { s.Permissions = &mine; return nil })
	refused(t, err, fault.OverLimit)
}

func TestBadEditsOfAUserChangeNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role, user := w.role("r"), w.user("u")
	w.credential(user)
	before, head := must(w.User(t.Context(), w.owner, user.ID))(t), w.head()
	vain := &claims.Permissions{Publish: claims.Permission{Allow: []string{"a.b"}, Deny: []string{"a.>"}}, Subscribe: claims.Permission{Allow: []string{"{{nobody()}}"}}}
	for name, c := range map[string]struct {
		edit     func(*UserSpec)
		pointers []string
	}{
		"another name":       {func(s *UserSpec) { s.Name = "v" }, []string{"/name"}},
		"no such role":       {func(s *UserSpec) { s.RoleID = NewID[RoleID]("rol") }, []string{"/role_id"}},
		"role and own":       {func(s *UserSpec) { s.RoleID, s.Permissions = role.ID, &claims.Permissions{} }, []string{"/permissions"}},
		"bad tags":           {func(s *UserSpec) { s.Tags = []string{"Team:a", "a b", "ok", "ok", "signalbox-users:x"} }, []string{"/tags/0", "/tags/1", "/tags/3", "/tags/4"}},
		"fewer than none":    {func(s *UserSpec) { s.Connections = ptr(int64(-2)) }, []string{"/connections"}},
		"bad permissions":    {func(s *UserSpec) { s.Permissions = vain }, []string{"/permissions/subscribe/allow/0", "/permissions/publish/allow/0"}},
		"more tags than fit": {func(s *UserSpec) { s.Tags = strings.Split(strings.Repeat("t ", claims.MaxTags)+"t", " ") }, []string{"/tags"}},
	} {
		_, err := w.UpdateUser(t.Context(), w.owner, user.ID, "", func(s *UserSpec) error { c.edit(s); return nil })
		t.Run(name, func(t *testing.T) { refused(t, err, fault.Invalid, c.pointers...) })
	}
	_, err := w.UpdateUser(t.Context(), w.owner, user.ID, `"7"`, func(*UserSpec) error { return nil })
	refused(t, err, fault.Stale)
	if diff := cmp.Diff(before, must(w.User(t.Context(), w.owner, user.ID))(t)); diff != "" || w.head() != head {
		t.Errorf("the head went from %d to %d, the user (-before +after):\n%s", head, w.head(), diff)
	}
	same := w.change(user, func(s *UserSpec) { s.Tags = []string{} })
	if same.Version != before.Version || w.head() != head {
		t.Error("an edit that changes nothing made another version")
	}
}

func TestOverridesHaveAnEnd(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan("max_users = 2000")
	user := w.user("last")
	role := must(w.Roles(t.Context(), w.owner, w.account.ID, PageQuery{}))(t).Items[0]
	if _, err := w.pool.Exec(t.Context(), `
		INSERT INTO users (id, tenant_id, account_id, role_id, name, connections, created_at, updated_at)
		SELECT 'usr_' || lpad(n::text, 26, '0'), $1, $2, $3, 'u' || n, 1, now(), now()
		FROM generate_series(1, $4) AS n`, w.tenant.ID, w.account.ID, role.ID, claims.MaxOverrides); err != nil {
		t.Fatal(err)
	}
	head := w.head()
	_, err := w.UpdateUser(t.Context(), w.owner, user.ID, "", func(s *UserSpec) error { s.Connections = ptr(int64(1)); return nil })
	refused(t, err, fault.OverLimit)
	if u := must(w.User(t.Context(), w.owner, user.ID))(t); u.Connections != nil || w.head() != head {
		t.Errorf("it was refused, and the user is %+v", u)
	}
	w.role("signs the account")
	if got := w.facts(w.account.PublicKey).Overrides; len(got) != claims.MaxOverrides || got[0].Connections != 1 {
		t.Errorf("the JWT has %d overrides, want %d", len(got), claims.MaxOverrides)
	}
}

// However a move and an issue cross, a credential that its user is not in the
// role of is marked, and what signed a JWT is what its row says.
func TestNoCredentialEscapesAMove(t *testing.T) {
	t.Parallel()
	w := setup(t)
	roles := []Role{w.role("a"), w.role("b")}
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: roles[0].ID}))(t)
	keys := map[RoleID]claims.AccountKey{roles[0].ID: roles[0].PublicKey, roles[1].ID: roles[1].PublicKey}
	const issuers, rounds = 6, 8
	issued := make(chan IssuedCredential, issuers*rounds)
	race(issuers+1, func(i int) error {
		for n := range rounds {
			if i == issuers {
				w.move(user, roles[(n+1)%2])
				continue
			}
			once := Once{}
			if n%2 == 1 {
				once.Key = fmt.Sprint(i, n)
			}
			issued <- must(w.IssueCredential(t.Context(), w.owner, user.ID, once, CredentialSpec{}))(t)
		}
		return nil
	})
	close(issued)
	now := must(w.User(t.Context(), w.owner, user.ID))(t)
	for c := range issued {
		row := must(w.Credential(t.Context(), w.owner, c.ID))(t)
		if signer := must(claims.DecodeUser(c.JWT))(t).Issuer; signer != keys[row.RoleID] {
			t.Errorf("the row says role %s, but %s signed", row.RoleID, signer)
		}
		if stale := row.StaleSince != nil; stale != (row.RoleID != now.RoleID) {
			t.Errorf("signed under %s, the user is in %s, marked as moved: %t", row.RoleID, now.RoleID, stale)
		}
	}
}

func TestDeletedRoleTakesMovedUsersCredentialsAlong(t *testing.T) {
	t.Parallel()
	w := setup(t)
	from := w.role("from")
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: from.ID}))(t)
	old := w.credential(user)
	w.credential(user)
	user = w.change(user, func(s *UserSpec) { s.RoleID = "" })
	fresh := w.credential(user)
	if role := must(w.Role(t.Context(), w.owner, from.ID))(t); role.MovedCredentials != 2 {
		t.Errorf("the role says that %d credentials would end with it, want 2", role.MovedCredentials)
	}
	if n := must(w.DeleteRole(t.Context(), w.owner, from.ID, ""))(t); n != 2 {
		t.Errorf("%d credentials ended, want 2", n)
	}
	if c := must(w.Credential(t.Context(), w.owner, old.ID))(t); c.RevokedAt == nil || c.RevokeReason == "" {
		t.Errorf("credential = %+v, want it revoked with a reason", c)
	}
	if c := must(w.Credential(t.Context(), w.owner, fresh.ID))(t); c.RevokedAt != nil {
		t.Errorf("credential = %+v, want it untouched", c)
	}
	facts := w.facts(w.account.PublicKey)
	if _, revoked := facts.Revoked[old.PublicKey]; !revoked || len(facts.Overrides) != 0 {
		t.Errorf("the JWT revokes it: %t, and has overrides %v", revoked, facts.Overrides)
	}
}

func TestServersHearTheSameOfMovedUsersFromAllReplicas(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, to := w.user("u"), w.role("to")
	w.credential(user)
	w.move(user, to)
	first := must(w.StockJWT(t.Context(), w.operator.ID, w.account.PublicKey))(t)
	w.stock = stockJWTs{} // another replica has signed nothing yet
	again := must(w.StockJWT(t.Context(), w.operator.ID, w.account.PublicKey))(t)
	if first.JWT != again.JWT || strings.Contains(first.JWT, must(w.AccountJWTByKey(t.Context(), w.operator.ID, w.account.PublicKey))(t).JWT) {
		t.Error("the JWT for stock servers is not the same each time, or is the brokers' own")
	}
	var tokens []string
	for _, a := range must(w.Pack(t.Context(), w.operator.ID, "", 100))(t) {
		tokens = append(tokens, a.JWT)
	}
	if got := must(w.PackHash(t.Context(), w.operator.ID))(t); got != resolver.PackHash(tokens...) {
		t.Error("the pack's hash is not that of what the pack holds")
	}
	if facts := must(claims.DecodeAccount(first.JWT))(t); len(facts.Overrides) != 0 {
		t.Errorf("stock servers are sent overrides: %v", facts.Overrides)
	}
}

func TestOverridesAreFoundAmongManyCredentials(t *testing.T) {
	t.Parallel()
	w := setup(t)
	moved := w.user("moved")
	w.credential(moved)
	w.move(moved, w.role("to"))
	if _, err := w.pool.Exec(t.Context(), `
		WITH filled AS (
			INSERT INTO users (id, tenant_id, account_id, role_id, name, created_at, updated_at)
			SELECT 'usr_' || lpad(n::text, 26, '0'), $1, $2, $3, 'u' || n, now(), now()
			FROM generate_series(1, 20000) AS n
			RETURNING *
		)
		INSERT INTO credentials (id, tenant_id, account_id, user_id, role_id, name, public_key, issued_at, created_at, updated_at)
		SELECT 'crd_' || right(filled.id, 24) || lpad(c::text, 2, '0'), tenant_id, account_id, filled.id, role_id, '', 'U' || filled.id || c, now(), now(), now()
		FROM filled
		CROSS JOIN generate_series(1, 5) AS c`, w.tenant.ID, w.account.ID, moved.RoleID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pool.Exec(t.Context(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	e := &explained{querier: w.pool, t: t}
	start := time.Now()
	list := must(overridesToSign(t.Context(), e, w.account, time.Now()))(t)
	t.Logf("%v, EXPLAIN included, among 100,000 credentials", time.Since(start))
	if len(list) != 1 || list[0].Name != "moved" {
		t.Errorf("overrides = %v", list)
	}
	if !strings.Contains(e.plan, "credentials_stale") || !strings.Contains(e.plan, "users_capped") || strings.Contains(e.plan, "Seq Scan on users") || strings.Contains(e.plan, "Seq Scan on credentials") {
		t.Errorf("the plan:\n%s", e.plan)
	}
	must(movedRevocations(t.Context(), e, w.account.PublicKey, time.Now()))(t)
	if !strings.Contains(e.plan, "credentials_stale") {
		t.Errorf("the plan for stock servers:\n%s", e.plan)
	}
}
