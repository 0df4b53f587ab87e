package resolver_test

import (
	"log/slog"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// bare is a server with our resolver and nobody who follows control.
func bare(t *testing.T, control *brokertest.Control) (*server.Server, *resolver.Resolver, *resolver.Store) {
	t.Helper()
	trust, err := resolver.NewTrust(control.OperatorJWT())
	if err != nil {
		t.Fatal(err)
	}
	store := openStore(t, filepath.Join(t.TempDir(), "accounts"), trust.Operator())
	system, systemJWT := control.SystemAccount()
	r, err := resolver.NewResolver(store, trust, system, systemJWT, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		TrustedOperators: []*jwt.OperatorClaims{trust.Claims()}, SystemAccount: system, AccountResolver: r,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(brokertest.Patience) {
		t.Fatal("the server is not ready")
	}
	return s, r, store
}

func accept(t *testing.T, r *resolver.Resolver, e resolver.Entry) []resolver.Refusal {
	t.Helper()
	refusals, err := r.Accept([]resolver.Entry{e}, e.Revision)
	if err != nil {
		t.Fatal(err)
	}
	return refusals
}

// Recovering an account's streams can take the server minutes. The feed does not
// wait that long, says so, and the change comes into force all the same.
func TestChangeOfAnAccountThatLoadsSlowlyIsReportedAndCaughtUpOn(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s, r, store := bare(t, control)
	account, other := control.NewAccount("slow"), control.NewAccount("other")
	user := account.Issue("app")
	older := account.Edit(nil)
	account.Revoke(user.Key)
	newer := control.Entry(string(account.Key)).JWT
	accept(t, r, resolver.Entry{Account: string(account.Key), Revision: 1, JWT: older})

	release := r.HoldLoad(string(account.Key))
	refusals := accept(t, r, resolver.Entry{Account: string(account.Key), Revision: 2, JWT: newer})
	if len(refusals) != 1 || refusals[0].Account != string(account.Key) || refusals[0].Revision != 2 {
		t.Errorf("refusals = %+v, want the account at 2", refusals)
	}
	if got := accept(t, r, resolver.Entry{Account: string(other.Key), Revision: 3, JWT: other.Edit(nil)}); len(got) != 0 {
		t.Errorf("another account: %+v, want no refusals", got)
	}
	other.Issue("app").Connect(t, s.ClientURL())

	release(older)
	nc, err := user.Dial(s.ClientURL()) // makes the server load it from what it was given
	if err == nil {
		t.Cleanup(nc.Close)
		brokertest.WaitClosed(t, nc)
	}
	standing := func() []resolver.Refusal {
		all, err := store.Refusals(10)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for deadline := time.Now().Add(brokertest.Patience); len(standing()) > 0 && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if diff := cmp.Diff([]resolver.Refusal(nil), standing()); diff != "" {
		t.Errorf("refusals that stand: -want +got\n%s", diff)
	}
	mustBeRefused(t, user, s.ClientURL())
}

// A lookup's answer may be newer than the entry that the feed brings next.
func TestFeedDoesNotTakeBackWhatALookupBrought(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s, r, store := bare(t, control)
	account := control.NewAccount("acme")
	user := account.Issue("app")
	older := account.Edit(nil)
	account.Revoke(user.Key)
	newer := resolver.Entry{Account: string(account.Key), Revision: 5, JWT: control.Entry(string(account.Key)).JWT}
	if err := store.Apply(resolver.Batch{Entries: []resolver.Entry{newer}}); err != nil { // as a lookup does
		t.Fatal(err)
	}
	mustBeRefused(t, user, s.ClientURL()) // loads it

	accept(t, r, resolver.Entry{Account: string(account.Key), Revision: 4, JWT: older})

	mustBeRefused(t, user, s.ClientURL())
	if got := store.Applied(); got != 4 {
		t.Errorf("applied = %d, want 4", got)
	}
}

func TestResolverRefusesWhatIsNoAccountAtOnce(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	_, r, _ := bare(t, control)
	system, systemJWT := control.SystemAccount()
	if got, err := r.Fetch(system); err != nil || got != systemJWT {
		t.Errorf("the system account: %v, want the identity's", err)
	}
	_, user := brokertest.NewUserSeed(t)
	for _, name := range []string{"", "A", "../etc/passwd", string(user), system + "x"} {
		if _, err := r.Fetch(name); err == nil {
			t.Errorf("fetch %q: no error", name)
		}
	}
	if err := r.Store(system, systemJWT); err == nil {
		t.Error("the server could store claims of its own")
	}
	for name, e := range map[string]resolver.Entry{
		"the system account": {Account: system, Revision: 1, JWT: systemJWT},
		"an empty JWT":       {Account: string(control.NewAccount("acme").Key), Revision: 1},
	} {
		if got := accept(t, r, e); len(got) != 1 {
			t.Errorf("%s was accepted", name)
		}
	}
}
