package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

// world is a bootstrapped installation with one tenant, its owner, and its first account.
type world struct {
	*Service
	t        testing.TB
	pool     *pgxpool.Pool
	operator Operator
	owner    Actor
	tenant   Tenant
	account  Account
}

func setup(t testing.TB) *world {
	t.Helper()
	w := bare(t)
	operator, err := w.Bootstrap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.operator = operator
	w.owner, w.tenant, w.account = w.found("Orders")
	return w
}

// bare is an installation before its bootstrap.
func bare(t testing.TB) *world {
	t.Helper()
	master, err := keyring.GenerateMaster()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(master)
	if err != nil {
		t.Fatal(err)
	}
	pool := pgtest.New(t)
	w := &world{Service: New(pool, keys), t: t, pool: pool}
	w.IssuerKeys = func(context.Context, string) (json.RawMessage, error) { return json.RawMessage(someKeySet), nil }
	return w
}

var people atomic.Int64

// found signs somebody up.
func (w *world) found(name string) (Actor, Tenant, Account) {
	w.t.Helper()
	actor, tenant, err := w.tryFound(name)
	if err != nil {
		w.t.Fatalf("found %q: %v", name, err)
	}
	accounts := must(w.Accounts(w.t.Context(), actor, tenant.ID, PageQuery{}))(w.t)
	if len(accounts.Items) != 1 {
		w.t.Fatalf("a new tenant has %d accounts, want 1", len(accounts.Items))
	}
	return actor, tenant, accounts.Items[0]
}

func (w *world) tryFound(name string) (Actor, Tenant, error) {
	person := NewID[PersonID]("per")
	var tenant Tenant
	err := postgres.InTx(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(w.t.Context(), `
			INSERT INTO people (id, email, password_hash, created_at, updated_at)
			VALUES ($1, $2, '', now(), now())`, person, fmt.Sprintf("person%d@example.com", people.Add(1)))
		if err != nil {
			return err
		}
		tenant, err = w.Found(w.t.Context(), tx, person, name)
		return err
	})
	return Actor{ID: string(person), Grants: map[TenantID]MemberRole{tenant.ID: Owner}}, tenant, err
}

// as is somebody else in the tenant, with the role.
func (w *world) as(role MemberRole) Actor {
	return Actor{ID: "per_" + string(role), Grants: map[TenantID]MemberRole{w.tenant.ID: role}}
}

var staff = Actor{ID: "per_staff", Staff: true}

// must ends the test if what it is called on went wrong.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) user(name string) User {
	w.t.Helper()
	return must(w.CreateUser(w.t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: name}))(w.t)
}

func (w *world) role(name string) Role {
	w.t.Helper()
	return must(w.CreateRole(w.t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: name, Template: claims.OpenTemplate()}))(w.t)
}

func (w *world) credential(user User) IssuedCredential {
	w.t.Helper()
	return must(w.IssueCredential(w.t.Context(), w.owner, user.ID, Once{}, CredentialSpec{}))(w.t)
}

// plan changes the default plan.
func (w *world) plan(set string) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), "UPDATE plans SET "+set); err != nil {
		w.t.Fatal(err)
	}
}

// facts decodes what brokers must hold of the account, and checks that it is signed as they expect.
func (w *world) facts(key claims.AccountKey) claims.AccountFacts {
	w.t.Helper()
	stored := must(w.AccountJWTByKey(w.t.Context(), w.operator.ID, key))(w.t)
	facts := must(claims.DecodeAccount(stored.JWT))(w.t)
	if facts.Issuer != w.operator.SigningPublicKey || facts.Key != key {
		w.t.Fatalf("the JWT of %s is one of %s, issued by %s", key, facts.Key, facts.Issuer)
	}
	return facts
}

func (w *world) head() feed.Revision {
	w.t.Helper()
	return must(feed.Head(w.t.Context(), w.pool, string(w.operator.ID)))(w.t)
}

// at makes the service's clock stand still.
func (w *world) at(now time.Time) { w.now = func() time.Time { return now } }

// refused checks the kind of err, and the pointers of its faults in their order.
func refused(t testing.TB, err error, kind fault.Kind, pointers ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("err = %v, want one that is %s", err, kind)
	}
	all := fault.All(err)
	if len(pointers) == 0 {
		return
	}
	var got []string
	for _, e := range all {
		got = append(got, e.Pointer)
	}
	if fmt.Sprint(got) != fmt.Sprint(pointers) {
		t.Errorf("pointers = %q, want %q (%v)", got, pointers, err)
	}
}

func ptr[T any](v T) *T { return &v }
