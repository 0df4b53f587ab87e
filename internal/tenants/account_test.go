package tenants

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

func TestNewAccountHasDefaultRoleAndThePlansLimits(t *testing.T) {
	t.Parallel()
	w := setup(t)
	before := w.head()

	account := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{
		Name: "billing", Description: "Invoices", Limits: LimitsPatch{Connections: ptr(int64(7)), JetStream: JetStreamLimitsPatch{Streams: ptr(int64(3))}},
	}))(t)

	want := defaultLimits()
	want.Connections, want.JetStream.Streams = 7, 3
	if diff := cmp.Diff(want, account.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if w.head() != before+1 || account.Revision != before+1 {
		t.Errorf("head went from %d to %d and the account is at %d; want one change", before, w.head(), account.Revision)
	}
	facts := w.facts(account.PublicKey)
	if facts.Name != "billing" || facts.Description != "Invoices" || facts.Limits != want {
		t.Errorf("the JWT says %q, %q, %+v", facts.Name, facts.Description, facts.Limits)
	}
	roles := must(w.Roles(t.Context(), w.owner, account.ID, PageQuery{}))(t)
	if len(roles.Items) != 1 || roles.Items[0].Name != DefaultRole || len(facts.Roles) != 1 || facts.Roles[0].Key != roles.Items[0].PublicKey {
		t.Errorf("roles = %+v, in the JWT %+v; want the default one in both", roles.Items, facts.Roles)
	}
	got := must(w.Account(t.Context(), w.owner, account.ID))(t)
	if diff := cmp.Diff(account, got); diff != "" {
		t.Errorf("read back (-created +read):\n%s", diff)
	}
}

func TestAccountLimitsStayWithinThePlan(t *testing.T) {
	t.Parallel()
	w := setup(t)

	t.Run("all wrong fields are named at once", func(t *testing.T) {
		_, err := w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: " x", Limits: LimitsPatch{
			Connections: ptr(int64(101)), LeafNodes: ptr(int64(-1)), Imports: ptr(int64(-2)), JetStream: JetStreamLimitsPatch{DiskBytes: ptr(int64(1 << 40))},
		}})
		refused(t, err, fault.Invalid, "/name", "/limits/imports", "/limits/connections", "/limits/leaf_nodes", "/limits/jetstream/disk_bytes")
	})
	t.Run("an update is held to it too", func(t *testing.T) {
		before := w.head()
		_, err := w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
			s.Limits.Connections = 101
			return nil
		})
		refused(t, err, fault.Invalid, "/limits/connections")
		if w.head() != before {
			t.Errorf("a refused update bumped the revision")
		}
	})
}

func TestSmallerPlanDoesNotStandInTheWayOfANewName(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan(`account_limits = jsonb_set(account_limits, '{connections}', '1')`)
	account := must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Name = "renamed"; return nil }))(t)
	if account.Name != "renamed" || account.Limits.Connections != 100 {
		t.Errorf("account = %+v", account)
	}
}

func TestAccountNamesAreUniqueAmongLiveOnes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, err := w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "Orders"})
	refused(t, err, fault.Conflict, "/name")
	other := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "other"}))(t)
	_, err = w.UpdateAccount(t.Context(), w.owner, other.ID, "", func(s *AccountSpec) error { s.Name = "Orders"; return nil })
	refused(t, err, fault.Conflict, "/name")
	if _, err := w.DeleteAccount(t.Context(), w.owner, w.account.ID, "", nil); err != nil {
		t.Fatal(err)
	}
	_, err = w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "Orders"})
	refused(t, err, fault.Conflict, "/name") // until it is purged it can be restored
	w.purge()
	must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "Orders"}))(t)
	w.found("Orders") // another tenant's names are its own
}

func TestUpdateHoldsOnlyForTheVersionItNames(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rename := func(to string) func(*AccountSpec) error {
		return func(s *AccountSpec) error { s.Name = to; return nil }
	}
	first := ETag(w.account.Version)
	second := must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, first, rename("second")))(t)
	if second.Version != w.account.Version+1 || second.Revision != w.head() {
		t.Errorf("after an edit: version %d, revision %d; want %d and %d", second.Version, second.Revision, w.account.Version+1, w.head())
	}
	if name := w.facts(w.account.PublicKey).Name; name != "second" {
		t.Errorf("the JWT still says %q", name)
	}
	_, err := w.UpdateAccount(t.Context(), w.owner, w.account.ID, first, rename("third"))
	refused(t, err, fault.Stale)
	_, err = w.DeleteAccount(t.Context(), w.owner, w.account.ID, first, nil)
	refused(t, err, fault.Stale)
	must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, `"999", `+ETag(second.Version), rename("third")))(t)
	must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "*", rename("fourth")))(t)
}

func TestEditThatChangesNothingIsNoChange(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := must(w.Roles(t.Context(), w.owner, w.account.ID, PageQuery{}))(t).Items[0]
	before := w.head()
	account := must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Name = w.account.Name; return nil }))(t)
	again := must(w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error { s.Template.Publish.Allow = []string{}; return nil }))(t)
	tenant := must(w.UpdateTenant(t.Context(), w.owner, w.tenant.ID, "", func(*TenantSpec) error { return nil }))(t)
	if w.head() != before || account.Version != w.account.Version || again.Version != role.Version || tenant.Version != w.tenant.Version {
		t.Errorf("head %d → %d, versions %d, %d, %d", before, w.head(), account.Version, again.Version, tenant.Version)
	}
	if !again.UpdatedAt.Equal(role.UpdatedAt) {
		t.Errorf("the role says that it was updated")
	}
}

func TestEditThatFailsLeavesEverythingAsItWas(t *testing.T) {
	t.Parallel()
	w := setup(t)
	before, jwt := w.head(), must(w.AccountJWTByKey(t.Context(), w.operator.ID, w.account.PublicKey))(t)
	broken := errors.New("broken")
	_, err := w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Name = "half"; return broken })
	if !errors.Is(err, broken) {
		t.Errorf("err = %v, want the edit's own", err)
	}
	// The JWT cannot be signed: what was written before that is rolled back.
	if _, err := w.pool.Exec(t.Context(), `UPDATE operators SET sealed_signing_seed = 'damaged'`); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Name = "half"; return nil }); err == nil {
		t.Error("an account was updated without a signature")
	}
	if _, err := w.DeleteAccount(t.Context(), w.owner, w.account.ID, "", nil); err == nil {
		t.Error("an account was deleted without a tombstone")
	}
	got := must(w.Account(t.Context(), w.owner, w.account.ID))(t)
	if diff := cmp.Diff(w.account, got); diff != "" {
		t.Errorf("the account changed (-want +got):\n%s", diff)
	}
	if after := must(w.AccountJWTByKey(t.Context(), w.operator.ID, w.account.PublicKey))(t); after != jwt || w.head() != before {
		t.Errorf("JWT or revision changed")
	}
}

func TestPurgedAccountLetsNobodyInAndIsNowhereToBeFound(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	credential := w.credential(user)
	role := w.role("r")
	if _, err := w.DeleteAccount(t.Context(), w.owner, w.account.ID, ETag(w.account.Version), nil); err != nil {
		t.Fatal(err)
	}
	before := w.head()
	w.purge()
	if w.head() != before+1 {
		t.Errorf("head went from %d to %d", before, w.head())
	}
	if facts := w.facts(w.account.PublicKey); !facts.Tombstone {
		t.Errorf("what brokers must hold is no tombstone: %+v", facts)
	}
	jwts, _, err := w.ChangesSince(t.Context(), w.operator.ID, before, 10)
	if err != nil || len(jwts) != 1 || jwts[0].Key != w.account.PublicKey || jwts[0].Revision != before+1 {
		t.Errorf("changes = %+v, %v; want the tombstone at %d", jwts, err, before+1)
	}
	for name, err := range map[string]error{
		"account":         second(w.Account(t.Context(), w.owner, w.account.ID)),
		"delivery":        second(w.AccountDelivery(t.Context(), w.owner, w.account.ID)),
		"endpoints":       second(w.Endpoints(t.Context(), w.owner, w.account.ID)),
		"roles":           second(w.Roles(t.Context(), w.owner, w.account.ID, PageQuery{})),
		"users":           second(w.Users(t.Context(), w.owner, w.account.ID, PageQuery{})),
		"role":            second(w.Role(t.Context(), w.owner, role.ID)),
		"user":            second(w.User(t.Context(), w.owner, user.ID)),
		"credentials":     second(w.Credentials(t.Context(), w.owner, user.ID, PageQuery{})),
		"credential":      second(w.Credential(t.Context(), w.owner, credential.ID)),
		"issue":           second(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{})),
		"revoke":          second(w.RevokeCredential(t.Context(), w.owner, credential.ID, "")),
		"delete again":    second(w.DeleteAccount(t.Context(), w.owner, w.account.ID, "", nil)),
		"delete its user": second(w.DeleteUser(t.Context(), w.owner, user.ID, "")),
		"delete its role": second(w.DeleteRole(t.Context(), w.owner, role.ID, "")),
		"a user in it":    second(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "v"})),
		"a role in it":    second(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "s", Template: claims.OpenTemplate()})),
		"update it":       second(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(*AccountSpec) error { return nil })),
		"update its role": second(w.UpdateRole(t.Context(), w.owner, role.ID, "", func(*RoleSpec) error { return nil })),
		"restore it":      second(w.RestoreAccount(t.Context(), w.owner, w.account.ID, "")),
		"purge it":        second(w.PurgeAccount(t.Context(), w.owner, w.account.ID, w.account.Name)),
	} {
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: err = %v, want NotFound", name, err)
		}
	}
	if page := must(w.Accounts(t.Context(), w.owner, w.tenant.ID, PageQuery{}))(t); len(page.Items) != 0 {
		t.Errorf("it is still listed: %+v", page.Items)
	}
	if use := must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t); use.Accounts != 0 {
		t.Errorf("it still counts: %d", use.Accounts)
	}
}

func second[T any](_ T, err error) error { return err }

func TestLastFreePlaceOfAPlanGoesToOne(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan("max_accounts = 2, max_roles = 2, max_users = 1")
	for noun, create := range map[string]func(i int) error{
		"accounts": func(i int) error {
			return second(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: fmt.Sprint("a", i)}))
		},
		"roles in an account": func(i int) error {
			return second(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: fmt.Sprint("r", i), Template: claims.OpenTemplate()}))
		},
		"users in an account": func(i int) error {
			return second(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: fmt.Sprint("u", i)}))
		},
	} {
		won, lost := race(8, create)
		if won != 1 {
			t.Errorf("%d of 8 took the last free place of %s, want 1", won, noun)
		}
		for _, err := range lost {
			refused(t, err, fault.OverLimit)
			if message := fault.All(err)[0].Message; !contains(message, noun) {
				t.Errorf("the message %q does not name %s", message, noun)
			}
		}
	}
}

// race runs n at once and answers how many had no error, and the errors of the others.
func race(n int, run func(i int) error) (won int, lost []error) {
	errs := make([]error, n)
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			errs[i] = run(i)
		})
	}
	close(start)
	wait.Wait()
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		lost = append(lost, err)
	}
	return won, lost
}

func TestConcurrentEditsOfAnAccountAllEndUpInItsJWT(t *testing.T) {
	t.Parallel()
	w := setup(t)
	before := w.head()
	won, lost := race(10, func(i int) error {
		return second(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: fmt.Sprint("r", i), Template: claims.OpenTemplate()}))
	})
	if won != 10 {
		t.Fatalf("only %d of 10 roles were made: %v", won, errors.Join(lost...))
	}
	if roles := len(w.facts(w.account.PublicKey).Roles); roles != 11 {
		t.Errorf("the JWT has %d roles, want 11", roles)
	}
	if w.head() != before+10 {
		t.Errorf("head went from %d to %d, want 10 changes", before, w.head())
	}
}

func TestDeliveryIsInForceOnceEveryBrokerHasIt(t *testing.T) {
	t.Parallel()
	w := setup(t)
	delivery := func() Delivery {
		t.Helper()
		return must(w.AccountDelivery(t.Context(), w.owner, w.account.ID))(t)
	}
	if d := delivery(); d.InForce() || d.Brokers == nil {
		t.Errorf("with no broker: %+v", d)
	}
	a, b := w.broker("a"), w.broker("b")
	report := func(broker Broker, applied feed.Revision, refusals ...feed.Refusal) {
		t.Helper()
		r := feed.Receipt{BrokerKey: string(broker.PublicKey), Applied: applied, Refusals: refusals}
		if err := feed.RecordReceipt(t.Context(), w.pool, string(w.operator.ID), r); err != nil {
			t.Fatal(err)
		}
	}
	revision := delivery().Revision
	report(a, revision)
	d := delivery()
	if d.InForce() || !d.Brokers[0].InForce || d.Brokers[1].InForce || d.Brokers[0].HeardAt == nil || d.Brokers[1].HeardAt != nil {
		t.Errorf("with one of two: %+v", d)
	}
	report(b, revision+5)
	if d := delivery(); !d.InForce() {
		t.Errorf("with both: %+v", d)
	}
	report(b, revision, feed.Refusal{AccountKey: string(w.account.PublicKey), Revision: revision, Reason: "too big"})
	if d := delivery(); d.InForce() || d.Brokers[1].Refusal != "too big" {
		t.Errorf("a refusal counts as success: %+v", d)
	}
	report(b, revision, feed.Refusal{AccountKey: string(w.account.PublicKey), Revision: revision - 1, Reason: "of earlier claims"})
	if d := delivery(); !d.InForce() || d.Brokers[1].Refusal != "" {
		t.Errorf("a refusal of earlier claims counts: %+v", d)
	}
	report(a, 0)
	if d := delivery(); d.InForce() {
		t.Errorf("a broker that lost its store still counts: %+v", d)
	}
}

func TestEndpointsAreTheUnionOverBrokers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	if diff := cmp.Diff(Endpoints{}.stored(),
		must(w.Endpoints(t.Context(), w.owner, w.account.ID))(t)); diff != "" {
		t.Errorf("without brokers (-want +got):\n%s", diff)
	}
	w.broker("b")
	w.broker("a")
	want := Endpoints{
		NATS:      []string{"nats://a.example.com:4222", "nats://b.example.com:4222", "nats://shared.example.com:4222"},
		WebSocket: []string{"wss://a.example.com", "wss://b.example.com"}, MQTT: []string{}, LeafNode: []string{},
	}.stored()
	if diff := cmp.Diff(want, must(w.Endpoints(t.Context(), w.owner, w.account.ID))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChangesCarryTheJWTOfTheirRevision(t *testing.T) {
	t.Parallel()
	w := setup(t)
	since := w.head()
	a := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "a"}))(t)
	b := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "b"}))(t)
	a = must(w.UpdateAccount(t.Context(), w.owner, a.ID, "", func(s *AccountSpec) error { s.Name = "a2"; return nil }))(t)

	jwts, head, err := w.ChangesSince(t.Context(), w.operator.ID, since, 10)
	if err != nil || head != w.head() || len(jwts) != 2 {
		t.Fatalf("%d changes, head %d, %v; want 2 up to %d", len(jwts), head, err, w.head())
	}
	for i, account := range []Account{b, a} {
		facts := must(claims.DecodeAccount(jwts[i].JWT))(t)
		if jwts[i].Key != account.PublicKey || jwts[i].Revision != account.Revision || facts.Name != account.Name {
			t.Errorf("change %d: %s at %d says %q, want %s at %d", i, jwts[i].Key, jwts[i].Revision, facts.Name, account.PublicKey, account.Revision)
		}
	}
	if jwts, _, err := w.ChangesSince(t.Context(), w.operator.ID, since, 1); err != nil || len(jwts) != 1 || jwts[0].Key != b.PublicKey {
		t.Errorf("one change: %+v, %v", jwts, err)
	}
	_, err = w.AccountJWTByKey(t.Context(), NewID[OperatorID]("opr"), a.PublicKey)
	refused(t, err, fault.NotFound)
	_, err = w.AccountJWTByKey(t.Context(), w.operator.ID, "A\x00")
	refused(t, err, fault.NotFound)
}

// A reader of the feed gets JWTs that fit their revisions while writers go on.
func TestChangesAreOfOneMomentWhileAccountsChange(t *testing.T) {
	t.Parallel()
	w := setup(t)
	since := w.head()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 40 {
			if _, err := w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
				s.Description = fmt.Sprint(i)
				return nil
			}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		jwts, head, err := w.ChangesSince(t.Context(), w.operator.ID, since, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jwts {
			facts := must(claims.DecodeAccount(j.JWT))(t)
			if want := fmt.Sprint(j.Revision - since - 1); j.Revision != head || facts.Description != want {
				t.Fatalf("at %d of %d the JWT says %q, want %q", j.Revision, head, facts.Description, want)
			}
		}
	}
}
