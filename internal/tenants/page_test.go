package tenants

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func TestPagesShowEverythingOnceInOrder(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan("max_users = 1000")
	var names []string
	for _, n := range []int{3, 1, 4, 15, 9, 2, 6} {
		names = append(names, w.user(fmt.Sprint("u", n)).Name)
	}
	sorted := slices.Sorted(slices.Values(names))
	for sort, want := range map[string][]string{
		"": names, "created_at": names, "-created_at": reversed(names), "name": sorted, "-name": reversed(sorted),
	} {
		for _, limit := range []int{1, 2, 7, 200} {
			got := w.userNames(PageQuery{Sort: sort, Limit: limit}, nil)
			if !slices.Equal(got, want) {
				t.Errorf("sorted by %q, %d a page: %q, want %q", sort, limit, got, want)
			}
		}
	}
}

// userNames walks all pages; between has its say after each.
func (w *world) userNames(q PageQuery, between func(page int)) (names []string) {
	w.t.Helper()
	for n := 1; ; n++ {
		page := must(w.Users(w.t.Context(), w.owner, w.account.ID, q))(w.t)
		for _, u := range page.Items {
			names = append(names, u.Name)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return names
		}
		if between != nil {
			between(n)
		}
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func TestPagesKeepTheirPlaceWhileThingsComeAndGo(t *testing.T) {
	t.Parallel()
	w := setup(t)
	made := map[string]User{}
	for _, name := range []string{"b", "d", "f", "h", "j"} {
		made[name] = w.user(name)
	}
	got := w.userNames(PageQuery{Sort: "name", Limit: 2}, func(page int) {
		if page == 1 { // at d
			w.user("a") // behind: not seen
			w.user("e") // ahead: seen
			if _, err := w.DeleteUser(t.Context(), w.owner, made["d"].ID, ""); err != nil {
				t.Error(err)
			}
			if _, err := w.DeleteUser(t.Context(), w.owner, made["h"].ID, ""); err != nil {
				t.Error(err)
			}
		}
	})
	if want := []string{"b", "d", "e", "f", "j"}; !slices.Equal(got, want) {
		t.Errorf("names = %q, want %q", got, want)
	}
}

func TestListsAreSearchedByName(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, name := range []string{"Alpha", "alpine", "beta_1", "beta21"} {
		w.user(name)
	}
	for query, want := range map[string][]string{
		"ALP": {"Alpha", "alpine"}, "a_1": {"beta_1"}, "%": nil, `\`: nil, "": {"Alpha", "alpine", "beta_1", "beta21"},
	} {
		if got := w.userNames(PageQuery{Query: query, Limit: 1}, nil); !slices.Equal(got, want) {
			t.Errorf("q=%q: %q, want %q", query, got, want)
		}
	}
}

func TestPageQueriesThatCannotBe(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.user("a")
	w.user("b")
	cursor := must(w.Users(t.Context(), w.owner, w.account.ID, PageQuery{Limit: 1}))(t).Next
	for pointer, queries := range map[string][]PageQuery{
		"?cursor": {
			{Cursor: "nonsense!"}, {Cursor: cursor, Sort: "name"}, {Cursor: cursor + "A"}, {Cursor: base64.RawURLEncoding.EncodeToString([]byte(`{"s":"created_at"}`))},
			{Cursor: base64.RawURLEncoding.EncodeToString([]byte(`{"s":"created_at","i":"a\u0000"}`))},
		},
		"?limit": {{Limit: -1}, {Limit: 201}},
		"?sort":  {{Sort: "email"}},
		"?q":     {{Query: "a\x00"}},
	} {
		for _, q := range queries {
			_, err := w.Users(t.Context(), w.owner, w.account.ID, q)
			refused(t, err, fault.Invalid, pointer)
		}
	}
	_, err := w.Credentials(t.Context(), w.owner, w.user("c").ID, PageQuery{Sort: "name"})
	refused(t, err, fault.Invalid, "?sort")
}

// explained runs queries, and keeps how Postgres goes about them.
type explained struct {
	querier
	t    testing.TB
	plan string
}

func (e *explained) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, _ := e.querier.Query(ctx, "EXPLAIN "+sql, args...)
	e.plan = strings.Join(must(pgx.CollectRows(rows, pgx.RowTo[string]))(e.t), "\n")
	return e.querier.Query(ctx, sql, args...)
}

func TestListsOfManyWalkAnIndex(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	w.fill(user)
	must(w.pool.Exec(t.Context(), "ANALYZE"))(t)
	e := &explained{querier: w.pool, t: t}
	keyset := func(q PageQuery) Keyset { return must(q.NamedKeyset())(t) }
	deep := position{Sort: "name", ID: "acc_" + strings.Repeat("0", 26), Name: "n15000"}.cursor()
	for name, list := range map[string]func() error{
		"accounts": func() error {
			return second(accountsByTenant(t.Context(), e, w.owner, w.tenant.ID, keyset(PageQuery{}), nil))
		},
		"accounts, newest": func() error {
			return second(accountsByTenant(t.Context(), e, w.owner, w.tenant.ID, keyset(PageQuery{Sort: "-created_at"}), nil))
		},
		"accounts by name": func() error {
			return second(accountsByTenant(t.Context(), e, w.owner, w.tenant.ID, keyset(PageQuery{Sort: "name"}), nil))
		},
		"accounts by name, on": func() error {
			return second(accountsByTenant(t.Context(), e, w.owner, w.tenant.ID, keyset(PageQuery{Sort: "name", Cursor: deep}), nil))
		},
		"roles": func() error {
			return second(rolesByAccount(t.Context(), e, w.account, keyset(PageQuery{}), time.Now()))
		},
		"users": func() error {
			return second(usersByAccount(t.Context(), e, w.account, keyset(PageQuery{}), time.Now()))
		},
		"users by name": func() error {
			return second(usersByAccount(t.Context(), e, w.account, keyset(PageQuery{Sort: "-name"}), time.Now()))
		},
		"credentials": func() error { return second(credentialsByUser(t.Context(), e, user, keyset(PageQuery{}))) },
		"an account's credentials": func() error {
			return second(credentialsByAccount(t.Context(), e, w.account, CredentialFilter{}, keyset(PageQuery{}), time.Now()))
		},
		"an account's credentials by expiry": func() error {
			k := must(PageQuery{Sort: "-expires_at"}.keyset(byExpiryDown))(t)
			return second(credentialsByAccount(t.Context(), e, w.account, CredentialFilter{}, k, time.Now()))
		},
		"an account's revoked credentials": func() error {
			return second(credentialsByAccount(t.Context(), e, w.account, CredentialFilter{Status: CredentialRevoked}, keyset(PageQuery{}), time.Now()))
		},
		"a credential's history": func() error {
			return second(auditByTarget(t.Context(), e, w.tenant.ID, "crd_"+strings.Repeat("0", 26), keyset(PageQuery{})))
		},
		"audit": func() error {
			return second(auditByTenant(t.Context(), e, w.tenant.ID, must(PageQuery{}.keyset(newestFirst))(t)))
		},
		"a user":       func() error { return second(userByID(t.Context(), e, w.owner, user.ID, time.Now())) },
		"user to sign": func() error { return second(userToSign(t.Context(), e, w.owner, user.ID)) },
	} {
		if err := list(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		plan := strings.ReplaceAll(e.plan, "Incremental Sort", "")
		for _, slow := range []string{"Seq Scan on accounts", "Seq Scan on users", "Seq Scan on credentials", "Seq Scan on audit_events", "Sort  ("} {
			if contains(plan, slow) {
				t.Errorf("%s: %s\n%s", name, slow, e.plan)
			}
		}
	}
}

// fill makes 20,000 of everything the world's tenant can have, of which Postgres has no statistics yet.
func (w *world) fill(user User) {
	w.t.Helper()
	id := func(prefix string) string { return "'" + prefix + "_' || lpad(to_hex(n), 26, '0')" }
	series := " FROM generate_series(1, 20000) AS n"
	for _, sql := range []string{
		`INSERT INTO accounts (id, tenant_id, operator_id, name, public_key, sealed_seed, limits, jwt, revision, created_at, updated_at)
			SELECT ` + id("acc") + `, $1, $2, 'n' || n, 'A' || n, '', '{}', '', 0, now(), now()` + series,
		`INSERT INTO roles (id, tenant_id, account_id, name, public_key, sealed_seed, template, created_at, updated_at)
			SELECT ` + id("rol") + `, $1, $3, 'n' || n, 'A' || n, '', '{}', now(), now()` + series,
		`INSERT INTO users (id, tenant_id, account_id, role_id, name, created_at, updated_at)
			SELECT ` + id("usr") + `, $1, $3, $4, 'n' || n, now(), now()` + series,
		`INSERT INTO credentials (id, tenant_id, account_id, user_id, public_key, issued_at, created_at, updated_at)
			SELECT ` + id("crd") + `, $1, $3, CASE WHEN n % 2 = 0 THEN $5 ELSE 'usr_' || lpad(to_hex(n), 26, '0') END, 'U' || n, now(), now(), now()` + series,
		`INSERT INTO audit_events (id, tenant_id, actor, action, target, created_at)
			SELECT ` + id("aud") + `, $1, 'a', 'b', 'c', now()` + series,
	} {
		args := pgx.StrictNamedArgs{}
		for i, v := range []any{w.tenant.ID, w.operator.ID, w.account.ID, user.RoleID, user.ID} {
			if parameter := fmt.Sprint("$", i+1); contains(sql, parameter) {
				sql = strings.ReplaceAll(sql, parameter, fmt.Sprint("@p", i+1, "::text"))
				args[fmt.Sprint("p", i+1)] = v
			}
		}
		must(exec(w.t.Context(), w.pool, sql, args))(w.t)
	}
}

func TestOnceMakesOne(t *testing.T) {
	t.Parallel()
	w := setup(t)
	once := Once{Key: "k1", Request: [32]byte{1}}
	create := func(actor Actor, once Once) (Account, error) {
		return w.CreateAccount(t.Context(), actor, w.tenant.ID, once, AccountCreate{Name: "once " + once.Key})
	}
	ids := make([]AccountID, 6)
	if won, lost := race(len(ids), func(i int) error {
		account, err := create(w.owner, once)
		ids[i] = account.ID
		return err
	}); won != len(ids) {
		t.Fatal(lost)
	}
	if slices.Sort(ids); ids[0] != ids[len(ids)-1] {
		t.Errorf("one key made several accounts: %q", ids)
	}
	_, err := create(w.owner, Once{Key: "k1", Request: [32]byte{2}})
	refused(t, err, fault.Conflict)
	_, err = create(w.as(Admin), once) // another actor's key, but the name is taken
	refused(t, err, fault.Conflict, "/name")

	t.Run("a create that failed may be tried again", func(t *testing.T) {
		again := Once{Key: "k2"}
		w.plan("max_accounts = 0")
		refused(t, second(create(w.owner, again)), fault.OverLimit)
		w.plan("max_accounts = 10")
		must(create(w.owner, again))(t)
	})
	t.Run("roles and users, too", func(t *testing.T) {
		for range 2 {
			must(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{Key: "r"}, RoleSpec{Name: "r", Template: claims.OpenTemplate()}))(t)
			must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{Key: "u"}, UserSpec{Name: "u"}))(t)
		}
	})
}

func TestOnceLastsADay(t *testing.T) {
	t.Parallel()
	w := setup(t)
	start := time.Now()
	create := func(name string) (User, error) {
		return w.CreateUser(t.Context(), w.owner, w.account.ID, Once{Key: "k"}, UserSpec{Name: name})
	}
	first := must(create("a"))(t)
	w.at(start.Add(24*time.Hour - time.Second))
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := must(create("b"))(t); again.ID != first.ID {
		t.Error("within a day the key made a second user")
	}
	w.at(start.Add(24*time.Hour + time.Second))
	if later := must(create("c"))(t); later.ID == first.ID || later.Name != "c" {
		t.Errorf("after a day the key still answers %+v", later)
	}
	w.at(start.Add(72 * time.Hour))
	events := w.events()
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.events() >= events {
		t.Error("old keys are kept")
	}
}
