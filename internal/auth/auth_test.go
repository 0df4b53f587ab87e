package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/auth"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

const password = "correct horse battery"

func setup(t *testing.T) (*auth.Service, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.New(t)
	master, err := keyring.GenerateMaster()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(master)
	if err != nil {
		t.Fatal(err)
	}
	domain := tenants.New(pool, keys)
	if _, err := domain.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	return auth.New(pool, domain), pool
}

func signUp(t *testing.T, s *auth.Service, email string) (auth.Me, string) {
	t.Helper()
	me, token, err := s.SignUp(t.Context(), auth.SignUp{Email: email, Password: password, TenantName: "A team"})
	if err != nil {
		t.Fatal(err)
	}
	return me, token
}

func TestSigningUpMakesAnOwnerWhoIsLoggedIn(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	me, token := signUp(t, s, " Ada@Example.com ")
	if me.Email != "ada@example.com" {
		t.Errorf("email = %q, want it in lower case, without spaces", me.Email)
	}
	if len(me.Memberships) != 1 || me.Memberships[0].Role != tenants.Owner {
		t.Errorf("memberships = %+v, want one, as owner", me.Memberships)
	}
	if me.IsStaff || me.Actor().Staff {
		t.Error("a newcomer is staff")
	}
	again, err := s.Session(t.Context(), token)
	if err != nil || again.ID != me.ID {
		t.Errorf("Session = %+v, %v; want %s", again, err, me.ID)
	}
}

func TestSigningUpRefusesAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s, pool := setup(t)
	signUp(t, s, "ada@example.com")
	for name, c := range map[string]struct {
		in      auth.SignUp
		kind    fault.Kind
		pointer string
	}{
		"an e-mail that is taken, in another case": {auth.SignUp{Email: "ADA@example.com", Password: password, TenantName: "x"}, fault.Conflict, "/email"},
		"no e-mail":             {auth.SignUp{Email: "ada", Password: password, TenantName: "x"}, fault.Invalid, "/email"},
		"an e-mail with a name": {auth.SignUp{Email: "Ada <a@b.co>", Password: password, TenantName: "x"}, fault.Invalid, "/email"},
		"a short password":      {auth.SignUp{Email: "a@b.co", Password: "zk4!Qp", TenantName: "x"}, fault.Invalid, "/password"},
		"a common password":     {auth.SignUp{Email: "a@b.co", Password: "password123", TenantName: "x"}, fault.Invalid, "/password"},
		"the e-mail again":      {auth.SignUp{Email: "someone@example.org", Password: "someone@example.org", TenantName: "x"}, fault.Invalid, "/password"},
		"a team without a name": {auth.SignUp{Email: "a@b.co", Password: password, TenantName: ""}, fault.Invalid, "/tenant_name"},
		"a control character":   {auth.SignUp{Email: "a@b.co", Password: password, TenantName: "a\x07b"}, fault.Invalid, "/tenant_name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, token, err := s.SignUp(t.Context(), c.in)
			if !errors.Is(err, c.kind) || token != "" {
				t.Fatalf("err = %v, want %v; token %q", err, c.kind, token)
			}
			if got := fault.All(err)[0].Pointer; got != c.pointer {
				t.Errorf("pointer = %q, want %q", got, c.pointer)
			}
			if n := count(t, pool, "people"); n != 1 {
				t.Errorf("people = %d, want 1", n)
			}
			if n := count(t, pool, "tenants"); n != 1 {
				t.Errorf("tenants = %d, want 1", n)
			}
		})
	}
}

func count(t *testing.T, pool *pgxpool.Pool, table string) (n int) {
	t.Helper()
	if err := pool.QueryRow(context.WithoutCancel(t.Context()), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAWrongPasswordAndAnUnknownEmailLookAlike(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	signUp(t, s, "ada@example.com")
	_, _, wrong := s.LogIn(t.Context(), "ada@example.com", "not the password")
	_, _, unknown := s.LogIn(t.Context(), "nobody@example.com", password)
	if !errors.Is(wrong, fault.Unauthenticated) || !errors.Is(unknown, fault.Unauthenticated) {
		t.Fatalf("errors = %v, %v; want Unauthenticated", wrong, unknown)
	}
	if wrong.Error() != unknown.Error() {
		t.Errorf("errors differ: %q, %q", wrong, unknown)
	}
	if _, _, err := s.LogIn(t.Context(), "Ada@Example.com", password); err != nil {
		t.Errorf("the right password: %v", err)
	}
}

func TestLoggingOutEndsOneSessionOnly(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	_, first := signUp(t, s, "ada@example.com")
	_, second, err := s.LogIn(t.Context(), "ada@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LogOut(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Session(t.Context(), first); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("the ended session: err = %v, want Unauthenticated", err)
	}
	if _, err := s.Session(t.Context(), second); err != nil {
		t.Errorf("the other session: %v", err)
	}
}

func TestNoSecretIsKept(t *testing.T) {
	t.Parallel()
	s, pool := setup(t)
	me, session := signUp(t, s, "ada@example.com")
	_, secret, err := s.CreateAPIToken(t.Context(), me.Actor(), me.Memberships[0].TenantID, tenants.Once{}, auth.APITokenSpec{Name: "ci", Role: tenants.Admin})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"people", "sessions", "api_tokens", "audit_events", "idempotency_keys"} {
		var text string
		if err := pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(t::text, ' '), '') FROM `+table+` t`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		for _, hidden := range []string{password, session, secret, strings.TrimPrefix(secret, "sbt_")} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s keeps a secret in the clear", table)
			}
		}
	}
}

func TestAPITokensActWithinTheirRoleUntilTheyEnd(t *testing.T) {
	t.Parallel()
	s, pool := setup(t)
	me, _ := signUp(t, s, "ada@example.com")
	tenant := me.Memberships[0].TenantID
	soon := time.Now().Add(time.Hour)
	token, secret, err := s.CreateAPIToken(t.Context(), me.Actor(), tenant, tenants.Once{}, auth.APITokenSpec{Name: "short", Role: tenants.Viewer, ExpiresAt: &soon})
	if err != nil {
		t.Fatal(err)
	}
	actor, err := s.APIToken(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if actor.Grants[tenant] != tenants.Viewer || len(actor.Grants) != 1 || actor.Staff || actor.ID != string(token.ID) {
		t.Errorf("actor = %+v, want a viewer of %s alone", actor, tenant)
	}
	if _, _, err := s.CreateAPIToken(t.Context(), actor, tenant, tenants.Once{}, auth.APITokenSpec{Name: "more", Role: tenants.Admin}); !errors.Is(err, fault.Forbidden) {
		t.Errorf("a viewer makes an admin's token: err = %v, want Forbidden", err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE api_tokens SET expires_at = $1`, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.APIToken(t.Context(), secret); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("after its end: err = %v, want Unauthenticated", err)
	}
}

func TestADeletedAPITokenIsNobody(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	me, _ := signUp(t, s, "ada@example.com")
	other, _ := signUp(t, s, "eve@example.com")
	token, secret, err := s.CreateAPIToken(t.Context(), me.Actor(), me.Memberships[0].TenantID, tenants.Once{}, auth.APITokenSpec{Name: "ci", Role: tenants.Developer})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteAPIToken(t.Context(), other.Actor(), token.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("another tenant deletes it: err = %v, want NotFound", err)
	}
	if _, err := s.APIToken(t.Context(), secret); err != nil {
		t.Errorf("after another tenant's try: %v", err)
	}
	if err := s.DeleteAPIToken(t.Context(), me.Actor(), token.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.APIToken(t.Context(), secret); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("after deleting: err = %v, want Unauthenticated", err)
	}
}

func TestStaffAreMadeByHandOnly(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	_, session := signUp(t, s, "ada@example.com")
	if err := s.MakeStaff(t.Context(), "nobody@example.com"); !errors.Is(err, fault.NotFound) {
		t.Errorf("an unknown e-mail: err = %v, want NotFound", err)
	}
	if err := s.MakeStaff(t.Context(), "Ada@example.com"); err != nil {
		t.Fatal(err)
	}
	me, err := s.Session(t.Context(), session)
	if err != nil || !me.IsStaff {
		t.Errorf("me = %+v, %v; want staff", me, err)
	}
}
