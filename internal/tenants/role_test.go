package tenants

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func sensorTemplate() claims.Template {
	t := claims.OpenTemplate()
	t.Publish.Allow = []string{"readings.>", "{{name()}}.alarms"}
	t.Subscribe = claims.Permission{Allow: []string{"_INBOX.>"}, Deny: []string{"_INBOX.secret"}}
	t.Responses = &claims.ResponsePermission{MaxMessages: 3, Expires: time.Minute}
	t.ConnectionTypes = []claims.ConnectionType{claims.WebSocket, claims.MQTT}
	t.SourceNetworks = []string{"192.0.2.0/24"}
	t.PayloadBytes = 512
	return t
}

func TestRoleIsInTheJWTAsItStands(t *testing.T) {
	t.Parallel()
	w := setup(t)
	before := w.head()
	role := must(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "sensor", Description: "Reads", Template: sensorTemplate()}))(t)
	w.wantRoleInJWT(role)
	if diff := cmp.Diff(role, must(w.Role(t.Context(), w.owner, role.ID))(t)); diff != "" {
		t.Errorf("read back (-created +read):\n%s", diff)
	}
	w.audited(t, "createRole", string(role.ID))

	updated := must(w.UpdateRole(t.Context(), w.owner, role.ID, ETag(role.Version), func(s *RoleSpec) error {
		s.Name = "probe"
		s.Template.Publish.Allow = append(s.Template.Publish.Allow, "more")
		s.Template.Responses = nil
		return nil
	}))(t)
	if updated.PublicKey != role.PublicKey || updated.Version != role.Version+1 {
		t.Errorf("updated = %+v", updated)
	}
	w.wantRoleInJWT(updated)
	w.audited(t, "updateRole", string(role.ID))
	refused(t, second(w.UpdateRole(t.Context(), w.owner, role.ID, ETag(role.Version), func(*RoleSpec) error { return nil })), fault.Stale)

	refused(t, second(w.DeleteRole(t.Context(), w.owner, role.ID, ETag(role.Version))), fault.Stale)
	if _, err := w.DeleteRole(t.Context(), w.owner, role.ID, ETag(updated.Version)); err != nil {
		t.Fatal(err)
	}
	if roles := w.facts(w.account.PublicKey).Roles; len(roles) != 1 || roles[0].Name != DefaultRole {
		t.Errorf("after its deletion the JWT has the roles %+v", roles)
	}
	refused(t, second(w.Role(t.Context(), w.owner, role.ID)), fault.NotFound)
	if w.head() != before+3 {
		t.Errorf("head went from %d to %d, want 3 changes", before, w.head())
	}
	w.role("probe") // the name is free again
}

func (w *world) wantRoleInJWT(role Role) {
	w.t.Helper()
	want := claims.Role{Key: role.PublicKey, Name: role.Name, Description: role.Description, Template: role.Template}
	for _, got := range w.facts(w.account.PublicKey).Roles {
		if got.Key == role.PublicKey {
			if diff := cmp.Diff(want, got); diff != "" {
				w.t.Errorf("role in the JWT (-want +got):\n%s", diff)
			}
			return
		}
	}
	w.t.Errorf("the JWT does not have the role %s", role.Name)
}

func TestRoleThatBreaksRulesIsRefusedAtEachField(t *testing.T) {
	t.Parallel()
	w := setup(t)
	bad := sensorTemplate()
	bad.Publish.Allow = []string{"ok", "a..b"}
	bad.PayloadBytes = 0
	_, err := w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "", Template: bad})
	refused(t, err, fault.Invalid, "/name", "/permissions/publish/allow/1", "/limits/payload_bytes")
	_, err = w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: DefaultRole, Template: claims.OpenTemplate()})
	refused(t, err, fault.Conflict, "/name")
	role := w.role("r")
	_, err = w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error { s.Name = DefaultRole; return nil })
	refused(t, err, fault.Conflict, "/name")
	_, err = w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error { s.Template = bad; return nil })
	refused(t, err, fault.Invalid, "/permissions/publish/allow/1", "/limits/payload_bytes")
}

func TestRoleWithUsersStays(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("r")
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: role.ID}))(t)
	if user.RoleName != "r" {
		t.Errorf("user = %+v", user)
	}
	refused(t, second(w.DeleteRole(t.Context(), w.owner, role.ID, "")), fault.Conflict)
	if _, err := w.DeleteUser(t.Context(), w.owner, user.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.DeleteRole(t.Context(), w.owner, role.ID, ""); err != nil {
		t.Errorf("a role that only a deleted user had: %v", err)
	}
	standard := must(w.Roles(t.Context(), w.owner, w.account.ID, PageQuery{}))(t).Items[0]
	if _, err := w.DeleteRole(t.Context(), w.owner, standard.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, err := w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "v"})
	refused(t, err, fault.Invalid, "/role_id")
}

func TestUserOfARoleThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for round := range 10 {
		role := w.role(fmt.Sprint("r", round))
		won, _ := race(2, func(i int) error {
			if i == 0 {
				return second(w.DeleteRole(t.Context(), w.owner, role.ID, ""))
			}
			return second(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: fmt.Sprint("u", round), RoleID: role.ID}))
		})
		if won != 1 {
			t.Fatalf("round %d: %d of deleting a role and putting a user in it went well, want 1", round, won)
		}
	}
}

func TestUsersNeedGoodNames(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("billing_1")
	if user.RoleName != DefaultRole || user.ActiveCredentials != 0 || user.Version != 1 {
		t.Errorf("user = %+v", user)
	}
	if diff := cmp.Diff(user, must(w.User(t.Context(), w.owner, user.ID))(t)); diff != "" {
		t.Errorf("read back (-created +read):\n%s", diff)
	}
	for _, name := range []string{"", "a.b", "a b", "*", ">"} {
		refused(t, second(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: name})), fault.Invalid, "/name")
	}
	refused(t, second(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "billing_1"})), fault.Conflict, "/name")
}

// Whatever is done, in whatever order, an account's JWT says what its rows say,
// and the feed knows of each change to it and of no other.
func TestJWTFollowsTheRowsThroughRandomActs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	random := rand.New(rand.NewPCG(11, 5))
	pick := func(n int) int { return random.IntN(max(n, 1)) }
	jwt := func() AccountJWT { return must(w.AccountJWTByKey(ctx, w.operator.ID, w.account.PublicKey))(t) }
	live := map[CredentialID]Credential{}
	revoked := map[claims.UserKey]bool{}
	for step := range 150 {
		before, head := jwt(), w.head()
		roles := must(w.Roles(ctx, w.owner, w.account.ID, PageQuery{Limit: 200}))(t).Items
		users := must(w.Users(ctx, w.owner, w.account.ID, PageQuery{Limit: 200}))(t).Items
		name := fmt.Sprint("n", step)
		switch act := random.IntN(9); {
		case act == 0 && len(roles) < 20:
			w.role(name)
		case act == 1 && len(roles) > 0:
			must(w.UpdateRole(ctx, w.owner, roles[pick(len(roles))].ID, "", func(s *RoleSpec) error { s.Template = sensorTemplate(); return nil }))(t)
		case act == 2 && len(roles) > 1:
			_, _ = w.DeleteRole(ctx, w.owner, roles[pick(len(roles))].ID, "") // refused if it has users
		case act == 3 && len(roles) > 0:
			must(w.CreateUser(ctx, w.owner, w.account.ID, Once{}, UserSpec{Name: name, RoleID: roles[pick(len(roles))].ID}))(t)
		case act == 4 && len(users) > 0:
			user := users[pick(len(users))]
			for id, c := range live {
				if c.UserID == user.ID {
					revoked[c.PublicKey] = true
					delete(live, id)
				}
			}
			if _, err := w.DeleteUser(ctx, w.owner, user.ID, ""); err != nil {
				t.Fatal(err)
			}
		case act == 5:
			must(w.UpdateAccount(ctx, w.owner, w.account.ID, "", func(s *AccountSpec) error {
				s.Limits.Connections = int64(pick(3))
				return nil
			}))(t)
		case act == 6:
			for id, c := range live {
				must(w.RevokeCredential(ctx, w.owner, id, ""))(t)
				revoked[c.PublicKey] = true
				delete(live, id)
				break
			}
		case len(users) > 0:
			c := w.credential(users[pick(len(users))])
			live[c.ID] = c.Credential
		}
		w.wantJWTLikeRows(revoked)
		after := jwt()
		changed := after.JWT != before.JWT
		if moved := w.head() - head; moved > 1 || (moved == 1) != changed || changed && after.Revision != w.head() {
			t.Fatalf("step %d: the head moved by %d, the JWT changed: %t, and is at %d of %d", step, moved, changed, after.Revision, w.head())
		}
	}
}

func (w *world) wantJWTLikeRows(revoked map[claims.UserKey]bool) {
	w.t.Helper()
	account := must(w.Account(w.t.Context(), w.owner, w.account.ID))(w.t)
	facts := w.facts(account.PublicKey)
	if facts.Name != account.Name || facts.Description != account.Description || facts.Limits != account.Limits {
		w.t.Fatalf("the JWT says %+v of %+v", facts, account)
	}
	roles := must(w.Roles(w.t.Context(), w.owner, account.ID, PageQuery{Limit: 200}))(w.t).Items
	if len(roles) != len(facts.Roles) {
		w.t.Fatalf("the JWT has %d roles, want %d", len(facts.Roles), len(roles))
	}
	for _, role := range roles {
		w.wantRoleInJWT(role)
	}
	if len(facts.Revoked) != len(revoked) {
		w.t.Fatalf("the JWT has %d revocations, want %d", len(facts.Revoked), len(revoked))
	}
	for key := range revoked {
		if _, ok := facts.Revoked[key]; !ok {
			w.t.Fatalf("the JWT does not revoke %s", key)
		}
	}
}
