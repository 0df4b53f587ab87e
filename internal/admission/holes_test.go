package admission_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// Known holes of a stock server in operator mode, each next to the stock server
// itself, whose figures are logged to compare with, and not judged.

func startWith(t *testing.T, config string) error {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{DataDir: t.TempDir(), NATSConfigFile: config})
	if err == nil {
		b.Stop()
	}
	return err
}

// A broker comes back with a store in which nobody is revoked yet.
func TestRevokedWhileTheBrokerWasDown(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	stale := account.Edit(nil)
	kept, revoked := account.Issue("kept"), account.Issue("revoked")
	cluster.Control.StopHub()
	node.Stop()
	account.Revoke(revoked.Key)

	node.AloneAfter = brokertest.Patience
	node.Start()
	for range 50 {
		mustBeRefused(t, kept, node.ClientURL())
		mustBeRefused(t, revoked, node.ClientURL())
	}
	cluster.Control.StartHub()
	var wrong atomic.Int64
	stop := make(chan struct{})
	var trying sync.WaitGroup
	for range 4 {
		trying.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if nc, err := revoked.Dial(node.ClientURL()); err == nil {
					wrong.Add(1)
					nc.Close()
				}
			}
		})
	}
	node.WaitOpen()
	kept.Connect(t, node.ClientURL())
	for range 50 {
		mustBeRefused(t, revoked, node.ClientURL())
	}
	close(stop)
	trying.Wait()
	if n := wrong.Load(); n != 0 {
		t.Errorf("the revoked credential got in %d times", n)
	}

	reference := stock(t, cluster.Control, map[string]string{string(account.Key): stale})
	nc, err := revoked.Dial(reference.ClientURL())
	t.Logf("a stock server with that store lets the revoked credential in: %v", err == nil)
	if err == nil {
		nc.Close()
	}
}

// Sixteen clients log in with a credential while it is revoked.
func TestRevocationRacingLogins(t *testing.T) {
	t.Parallel()
	const rounds, clients = 500, 16
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	letIn := 0
	for range rounds {
		user := account.Issue("app")
		in := race(user, node.ClientURL(), clients, func() { node.WaitApplied(account.Revoke(user.Key)) })
		letIn += len(in)
		if survived(in) {
			t.Fatal("a connection outlived the revocation of its credential")
		}
	}
	mustBeNobody(t, node.Server(), account)
	t.Logf("%d of %d logins came before the revocation; all of them were ended", letIn, rounds*clients)

	logStockRace(t, cluster.Control, clients)
}

// race dials from several goroutines while change happens, and returns the
// connections that were made.
func race(user brokertest.Credential, url string, clients int, change func()) (in []*nats.Conn) {
	return raceBy(func() (*nats.Conn, error) { return user.Dial(url) }, clients, change)
}

func raceBy(dial func() (*nats.Conn, error), clients int, change func()) (in []*nats.Conn) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			nc, err := dial()
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			in = append(in, nc)
		})
	}
	change()
	all.Wait()
	return in
}

// survived says whether one of the connections still answers, and closes them.
func survived(all []*nats.Conn) (any bool) {
	for _, nc := range all {
		any = any || nc.FlushTimeout(brokertest.Patience) == nil
		nc.Close()
	}
	return any
}

func mustBeNobody(t *testing.T, s *server.Server, account *brokertest.Account) {
	t.Helper()
	list, err := s.Connz(&server.ConnzOptions{Account: string(account.Key)})
	if err != nil {
		t.Fatal(err)
	}
	if list.NumConns != 0 {
		t.Errorf("%d connections of the account are left", list.NumConns)
	}
}

func logStockRace(t *testing.T, control *brokertest.Control, clients int) {
	t.Helper()
	const rounds = 50
	account := control.NewAccount("stock")
	s := stock(t, control, map[string]string{string(account.Key): account.Edit(nil)})
	account.Issue("first").Connect(t, s.ClientURL())
	loaded, err := s.LookupAccount(string(account.Key))
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for range rounds {
		user := account.Issue("app")
		token := account.Edit(func(c *claims.Account) { c.Revoked[user.Key] = time.Now() })
		c, err := jwt.DecodeAccountClaims(token)
		if err != nil {
			t.Fatal(err)
		}
		there := s.NumClients()
		in := race(user, s.ClientURL(), clients, func() {
			for s.NumClients() < there+clients/4 {
				runtime.Gosched()
			}
			s.UpdateAccountClaims(loaded, c)
		})
		if survived(in) {
			bad++
		}
	}
	t.Logf("on a stock server %d of %d rounds left a revoked connection", bad, rounds)
}

// Eight clients at once are the first that an account sees, and all are revoked.
func TestFirstUseOfAnAccountByRevokedClients(t *testing.T) {
	t.Parallel()
	const accounts, clients = 500, 8
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	stored := map[string]string{}
	var users []brokertest.Credential
	for range accounts {
		account := cluster.Control.NewAccount("acme")
		user := account.Issue("app")
		node.WaitApplied(account.Revoke(user.Key))
		stored[string(account.Key)] = account.Edit(nil)
		users = append(users, user)
	}
	count := func(s *server.Server, users []brokertest.Credential) (in int) {
		for _, user := range users {
			for _, nc := range race(user, s.ClientURL(), clients, func() {}) {
				in++
				nc.Close()
			}
		}
		return in
	}
	if n := count(node.Server(), users); n != 0 {
		t.Errorf("%d of %d revoked clients were let in", n, accounts*clients)
	}
	some := users[:100]
	t.Logf("a stock server lets %d of %d in", count(stock(t, cluster.Control, stored), some), len(some)*clients)
}

// However fast an account's revocations follow each other, and however many
// clients it has, they are in force when they are acknowledged, and changes of other
// accounts do not wait behind what the server does with each.
func TestStormOfRevocationsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	const clients, revoked = 500, 300
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account, other := cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
	other.Change(nil)
	node.WaitApplied(account.Change(nil))
	var users []brokertest.Credential
	var in []*nats.Conn
	for i := range clients {
		user := account.Issue("app")
		nc := user.Connect(t, node.ClientURL())
		if i < revoked {
			users, in = append(users, user), append(in, nc)
		}
	}
	other.Issue("app").Connect(t, node.ClientURL())
	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	defer cancel()
	start := time.Now()
	for _, user := range users {
		account.Revoke(user.Key)
	}
	if err := node.Broker.WaitApplied(ctx, other.Change(nil)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d revocations, and a change of another account behind them, took %s", revoked, time.Since(start))
	if got := node.Admission().Ended(); got != revoked {
		t.Errorf("%d connections ended when all was acknowledged, want %d", got, revoked)
	}
	for _, nc := range in {
		brokertest.WaitClosed(t, nc)
	}
	// In the end the server knows as well, so that its own checks stand behind.
	waitFor(t, "the server's own revocations", func() bool {
		info, err := node.Server().Accountz(&server.AccountzOptions{Account: string(account.Key)})
		return err == nil && len(info.Account.RevokedUser) == revoked
	})
}

// stock starts an unmodified nats-server of control's operator that knows those
// accounts, by their public keys.
func stock(t testing.TB, control *brokertest.Control, accounts map[string]string) *server.Server {
	t.Helper()
	operator, err := jwt.DecodeOperatorClaims(control.OperatorJWT())
	if err != nil {
		t.Fatal(err)
	}
	full, err := server.NewDirAccResolver(t.TempDir(), 0, 0, server.NoDelete)
	if err != nil {
		t.Fatal(err)
	}
	system, systemJWT := control.SystemAccount()
	for account, token := range accounts {
		if err := full.Store(account, token); err != nil {
			t.Fatal(err)
		}
	}
	if err := full.Store(system, systemJWT); err != nil {
		t.Fatal(err)
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		TrustedOperators: []*jwt.OperatorClaims{operator}, SystemAccount: system, AccountResolver: full,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(brokertest.Patience) {
		t.Fatal("the stock server is not ready")
	}
	return s
}
