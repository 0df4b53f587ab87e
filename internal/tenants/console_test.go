package tenants

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// browser is somebody who is signed in until then.
type browser struct {
	*world
	actor   Actor
	session WebSession
}

func (w *world) browser(actor Actor, ends time.Time) *browser {
	w.t.Helper()
	b := &browser{w, actor, WebSession{Hash: make([]byte, 32), Person: PersonID(actor.ID), Ends: ends.UTC().Truncate(time.Second)}}
	rand.Read(b.session.Hash)
	b.session.Email = must(value[string](w.t.Context(), w.pool, "SELECT email FROM people WHERE id = @id", pgx.StrictNamedArgs{"id": actor.ID}))(w.t)
	w.exec("INSERT INTO sessions (token_hash, person_id, created_at, expires_at) VALUES ($1, $2, now(), $3)", b.session.Hash, actor.ID, ends)
	return b
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// joined is somebody else who is a member, with the role.
func (w *world) joined(role MemberRole) Actor {
	w.t.Helper()
	other, _, _ := w.found("Another " + string(role))
	w.exec("INSERT INTO members (tenant_id, person_id, role, created_at) VALUES ($1, $2, $3, now())", w.tenant.ID, other.ID, role)
	other.Grants[w.tenant.ID] = role
	return other
}

func (b *browser) open(in AccountID) (s ConsoleSession, err error) {
	err = postgres.InTx(b.t.Context(), b.pool, func(tx pgx.Tx) (err error) {
		s, err = b.StartConsole(b.t.Context(), tx, b.actor, in, b.session)
		return err
	})
	return s, err
}

func (b *browser) logOut() error {
	return postgres.InTx(b.t.Context(), b.pool, func(tx pgx.Tx) error {
		if err := b.EndConsoles(b.t.Context(), tx, b.session.Hash, b.session.Person); err != nil {
			return err
		}
		_, err := tx.Exec(b.t.Context(), "DELETE FROM sessions WHERE token_hash = $1", b.session.Hash)
		return err
	})
}

// keyOf is whose JWT that is, which must be one that brokers take from a browser.
func (b *browser) keyOf(s ConsoleSession) claims.UserKey {
	b.t.Helper()
	user := must(claims.DecodeUser(s.JWT))(b.t)
	facts := b.facts(s.Account.PublicKey)
	i := slices.IndexFunc(facts.Roles, func(r claims.Role) bool { return r.Key == user.Issuer })
	if i < 0 || !facts.Roles[i].Template.Bearer || !slices.Equal(facts.Roles[i].Template.ConnectionTypes, []claims.ConnectionType{claims.WebSocket}) {
		b.t.Fatalf("%s is no role for browsers in %+v", user.Issuer, facts.Roles)
	}
	if !slices.Contains(facts.ConsoleRoles, user.Issuer) {
		b.t.Fatalf("the account does not name the role %s as one that may speak of sessions", user.Issuer)
	}
	if user.Name != b.session.Email || !user.Session.Equal(b.session.Ends) || user.Account != s.Account.PublicKey || !user.Expires.Equal(s.ExpiresAt) {
		b.t.Errorf("the JWT says %+v", user)
	}
	return user.Key
}

func (w *world) revokedIn(account Account, key claims.UserKey) bool {
	w.t.Helper()
	at, ok := w.facts(account.PublicKey).Revoked[key]
	return ok && !at.Before(w.clock().Add(-time.Minute))
}

// wantConsoleEvents counts what the audit has of that in the account.
func (w *world) wantConsoleEvents(action string, want int64) {
	w.t.Helper()
	got := must(value[int64](w.t.Context(), w.pool, "SELECT count(*) FROM audit_events WHERE action = @action AND target = @target AND tenant_id = @tenant",
		pgx.StrictNamedArgs{"action": action, "target": w.account.ID, "tenant": w.tenant.ID}))(w.t)
	if got != want {
		w.t.Errorf("%d audit events %s, want %d", got, action, want)
	}
}

func TestConsoleIsRenewedUnderTheSameKeyUntilLogOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	start := time.Now().Truncate(time.Second)
	w.at(start)
	b := w.browser(w.owner, start.Add(time.Hour))
	first := must(b.open(w.account.ID))(t)
	key := b.keyOf(first)
	if first.Change == nil || first.Role != ConsoleFull || !first.ExpiresAt.Equal(start.Add(DefaultConsoleLife)) {
		t.Errorf("session = %+v", first)
	}

	w.at(start.Add(4 * time.Minute))
	head := w.head()
	renewed := must(b.open(w.account.ID))(t)
	if b.keyOf(renewed) != key || renewed.Change != nil || w.head() != head {
		t.Errorf("renewing changed the key, or what brokers know: %+v", renewed)
	}
	w.at(start.Add(58 * time.Minute))
	if last := must(b.open(w.account.ID))(t); !last.ExpiresAt.Equal(b.session.Ends) || b.keyOf(last) != key {
		t.Errorf("expires %s, want no later than the session", last.ExpiresAt)
	}
	other := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "other"}))(t)
	elsewhere := b.keyOf(must(b.open(other.ID))(t))
	second := w.browser(w.owner, start.Add(time.Hour))
	theirs := second.keyOf(must(second.open(w.account.ID))(t))
	if theirs == key || elsewhere == key {
		t.Error("another session, or account, has the same key")
	}

	if err := b.logOut(); err != nil {
		t.Fatal(err)
	}
	if !w.revokedIn(w.account, key) || !w.revokedIn(other, elsewhere) || w.revokedIn(w.account, theirs) {
		t.Error("logging out does not revoke all of that session, and that alone")
	}
	if err := b.logOut(); err != nil {
		t.Errorf("logging out twice: %v", err)
	}
	if _, err := b.open(w.account.ID); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("a session that has ended: %v, want Unauthenticated", err)
	}
	w.wantConsoleEvents("startConsoleSession", 2) // one a session, however often it is renewed
	w.wantConsoleEvents("endConsoleSession", 1)
}

func TestViewersConsoleListensOnly(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.browser(w.joined(Viewer), time.Now().Add(time.Hour))
	s := must(b.open(w.account.ID))(t)
	issuer := must(claims.DecodeUser(s.JWT))(t).Issuer
	for _, r := range w.facts(w.account.PublicKey).Roles {
		if r.Key == issuer && !slices.Equal(r.Template.Publish.Deny, []string{">"}) {
			t.Errorf("a viewer may publish: %+v", r.Template.Publish)
		}
	}
	if s.Role != ConsoleListen || b.keyOf(s) == "" {
		t.Errorf("session = %+v", s)
	}
}

// Whatever takes a membership or a session away, the sweep finds it.
func TestConsoleEndsWithWhatItWasMadeFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string
		ends bool
	}{
		"nothing happens":        {"SELECT $1::text, $2::bytea, $3::text", false},
		"removed as a member":    {"DELETE FROM members WHERE person_id = $1 AND tenant_id = $3 AND $2::bytea IS NOT NULL", true},
		"the person is deleted":  {"DELETE FROM people WHERE id = $1 AND $2::bytea IS NOT NULL AND $3::text <> ''", true},
		"the session is deleted": {"DELETE FROM sessions WHERE token_hash = $2 AND $1 <> '' AND $3::text <> ''", true},
		"becomes a viewer":       {"UPDATE members SET role = 'viewer' WHERE person_id = $1 AND tenant_id = $3 AND $2::bytea IS NOT NULL", true},
		"becomes an admin":       {"UPDATE members SET role = 'admin' WHERE person_id = $1 AND tenant_id = $3 AND $2::bytea IS NOT NULL", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			b := w.browser(w.joined(Developer), time.Now().Add(time.Hour))
			key := b.keyOf(must(b.open(w.account.ID))(t))
			w.exec(c.sql, b.actor.ID, b.session.Hash, w.tenant.ID)
			for range 2 {
				if err := w.EndStaleConsoles(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.revokedIn(w.account, key); got != c.ends {
				t.Errorf("revoked = %t, want %t", got, c.ends)
			}
			if c.ends {
				w.wantConsoleEvents("endConsoleSession", 1)
			}
		})
	}
}

func TestMemberWhoBecomesAnotherGetsAnotherKey(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.browser(w.joined(Viewer), time.Now().Add(time.Hour))
	was := b.keyOf(must(b.open(w.account.ID))(t))
	w.exec("UPDATE members SET role = 'developer' WHERE person_id = $1 AND tenant_id = $2", b.actor.ID, w.tenant.ID)
	s := must(b.open(w.account.ID))(t)
	if key := b.keyOf(s); key == was || s.Role != ConsoleFull || !w.revokedIn(w.account, was) {
		t.Errorf("key %s after %s, as %s; the first revoked: %t", key, was, s.Role, w.revokedIn(w.account, was))
	}
}

func TestConsoleIsRefusedWhereNoBrokerWouldLetItIn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.browser(w.owner, time.Now().Add(time.Hour))
	edit := func(edit func(*AccountSpec)) {
		t.Helper()
		must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { edit(s); return nil }))(t)
	}
	edit(func(s *AccountSpec) { s.Limits.Bearer = false })
	refused(t, second(b.open(w.account.ID)), fault.Conflict)
	edit(func(s *AccountSpec) {
		s.Limits.Bearer, s.Settings.ConnectionTypes = true, []claims.ConnectionType{claims.Standard}
	})
	refused(t, second(b.open(w.account.ID)), fault.Conflict)
	edit(func(s *AccountSpec) { s.Settings.ConnectionTypes = nil })
	must(b.open(w.account.ID))(t)
	must(w.SuspendAccount(t.Context(), w.owner, w.account.ID, "a test"))(t)
	refused(t, second(b.open(w.account.ID)), fault.Conflict)
	must(w.ResumeAccount(t.Context(), w.owner, w.account.ID))(t)
	must(b.open(w.account.ID))(t)
	w.delete()
	refused(t, second(b.open(w.account.ID)), fault.Conflict)
	if err := b.logOut(); err != nil {
		t.Errorf("logging out while an account is being deleted: %v", err)
	}
}

func TestConsoleOfAForeignAccountIsAsOfAnUnknownOne(t *testing.T) {
	t.Parallel()
	w := setup(t)
	stranger, _, _ := w.found("Strangers")
	b := w.browser(stranger, time.Now().Add(time.Hour))
	unknown := NewID[AccountID]("acc")
	_, foreign := b.open(w.account.ID)
	_, absent := b.open(unknown)
	refused(t, foreign, fault.NotFound)
	if got, want := strings.ReplaceAll(foreign.Error(), string(w.account.ID), "ID"), strings.ReplaceAll(absent.Error(), string(unknown), "ID"); got != want {
		t.Errorf("%q tells foreign from unknown: %q", got, want)
	}
	// A grant that was read before the membership ended is not enough.
	left := w.joined(Developer)
	w.exec("DELETE FROM members WHERE person_id = $1 AND tenant_id = $2", left.ID, w.tenant.ID)
	_, gone := w.browser(left, time.Now().Add(time.Hour)).open(w.account.ID)
	refused(t, gone, fault.NotFound)
}

func TestNothingOfAConsoleIsInAList(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan("max_users = 1, max_roles = 2")
	b := w.browser(w.owner, time.Now().Add(time.Hour))
	s := must(b.open(w.account.ID))(t)
	must(w.browser(w.joined(Viewer), time.Now().Add(time.Hour)).open(w.account.ID))(t)
	key := b.keyOf(s)

	if users := must(w.Users(t.Context(), w.owner, w.account.ID, PageQuery{}))(t).Items; len(users) != 0 {
		t.Errorf("users = %+v", users)
	}
	if roles := must(w.Roles(t.Context(), w.owner, w.account.ID, PageQuery{}))(t).Items; len(roles) != 1 {
		t.Errorf("%d roles, want 1", len(roles))
	}
	if all := must(w.AccountCredentials(t.Context(), w.owner, w.account.ID, CredentialFilter{}, PageQuery{}))(t).Items; len(all) != 0 {
		t.Errorf("credentials = %+v", all)
	}
	if names := must(w.UserNames(t.Context(), w.account, []claims.UserKey{key}))(t); names[key] != b.session.Email {
		t.Errorf("connections are shown as %v, want %s", names, b.session.Email)
	}
	// They take no room of the plan's, and nobody gets at them by their ids.
	w.user("u")
	w.role("console")
	type row struct {
		User       UserID
		Role       RoleID
		Credential CredentialID
	}
	of := must(one[row](t.Context(), w.pool, `SELECT user_id AS user, role_id AS role, id AS credential FROM credentials WHERE public_key = @key`, pgx.StrictNamedArgs{"key": key}))(t)
	mine := things{tenant: w.tenant.ID, account: w.account.ID, role: of.Role, user: of.User, credential: of.Credential}
	for _, m := range methods(fresh()) {
		if slices.Contains([]string{"Role", "UpdateRole", "User", "IssueCredential", "Credentials", "Credential", "CredentialHistory", "ExtendCredential",
			"RevokeCredential", "UpdateUser", "DeleteUser", "DeleteRole"}, m.name) {
			if err := m.call(w, w.owner, mine); !errors.Is(err, fault.NotFound) {
				t.Errorf("%s: %v, want NotFound", m.name, err)
			}
		}
	}
	clone := must(w.CloneAccount(t.Context(), w.owner, w.account.ID, Once{}, "clone"))(t)
	if facts := w.facts(clone.PublicKey); len(facts.Roles) != 2 || len(facts.ConsoleRoles) != 0 {
		t.Errorf("a clone has the roles %+v", facts.Roles)
	}
}

func TestLoggingOutWhileAConsoleStartsLeavesNone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for range 8 {
		b := w.browser(w.owner, time.Now().Add(time.Hour))
		var s ConsoleSession
		_, lost := race(2, func(i int) (err error) {
			if i == 0 {
				err = b.logOutLocked()
				return err
			}
			s, err = b.open(w.account.ID)
			if errors.Is(err, fault.Unauthenticated) {
				return nil
			}
			return err
		})
		if len(lost) > 0 {
			t.Fatal(lost[0])
		}
		if err := w.EndStaleConsoles(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.JWT != "" && !w.revokedIn(w.account, b.keyOf(s)) {
			t.Fatal("a JWT got out that no revocation reaches")
		}
	}
}

// logOutLocked is logOut as package auth does it.
func (b *browser) logOutLocked() error {
	return postgres.InTx(b.t.Context(), b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(b.t.Context(), "SELECT FROM sessions WHERE token_hash = $1 FOR UPDATE", b.session.Hash); err != nil {
			return err
		}
		if err := b.EndConsoles(b.t.Context(), tx, b.session.Hash, b.session.Person); err != nil {
			return err
		}
		_, err := tx.Exec(b.t.Context(), "DELETE FROM sessions WHERE token_hash = $1", b.session.Hash)
		return err
	})
}

func TestConsolesThatExpiredAreForgottenWithoutARevocation(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now()
	b := w.browser(w.owner, now.Add(time.Hour))
	must(b.open(w.account.ID))(t)
	head := w.head()
	w.at(now.Add(2 * time.Hour))
	w.exec("DELETE FROM sessions")
	for _, do := range []func(context.Context) error{w.EndStaleConsoles, w.Sweep} {
		if err := do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left := must(value[int64](t.Context(), w.pool, "SELECT count(*) FROM console_sessions", nil))(t)
	if diff := cmp.Diff([]any{int64(0), head}, []any{left, w.head()}); diff != "" {
		t.Errorf("rows left, and revision (-want +got):\n%s", diff)
	}
}
