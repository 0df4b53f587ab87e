package resolver_test

import (
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// The same on two stock servers with the full resolver: one has the first
// change, the other the second, of the same second. What they end at is logged, not
// judged: it is there to compare with.
func TestStockClusterAndTwoChangesWithinOneSecond(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	account := control.NewAccount("acme")
	user := account.Issue("app")
	var first, second string
	for sameSecond := false; !sameSecond; {
		nextSecond()
		first = account.Edit(func(c *claims.Account) { clear(c.Revoked) })
		second = account.Edit(func(c *claims.Account) { c.Revoked[user.Key] = time.Now() })
		a, errA := claims.DecodeAccount(first)
		b, errB := claims.DecodeAccount(second)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		sameSecond = a.IssuedAt.Equal(b.IssuedAt)
	}
	const packs = 100 * time.Millisecond // a stock server's is a minute
	key := string(account.Key)
	refused := func(s *server.Server) bool {
		nc, err := user.Dial(s.ClientURL())
		if err == nil {
			nc.Close()
		}
		return err != nil
	}
	one := stock(t, control, map[string]string{key: second}, packs, nil)
	if !refused(one) {
		t.Fatal("the server with the second change alone lets the revoked user in: nothing to compare")
	}
	two := stock(t, control, map[string]string{key: first}, packs, one)
	for range 20 { // packs, each of which could settle it
		<-time.After(packs)
	}
	t.Logf("stock, 20 packs later: the server with the second change refuses the revoked user: %v; the one with the first: %v", refused(one), refused(two))
}

func stock(t *testing.T, control *brokertest.Control, stored map[string]string, packs time.Duration, peer *server.Server, adjust ...func(*server.Options)) *server.Server {
	t.Helper()
	operator, err := jwt.DecodeOperatorClaims(control.OperatorJWT())
	if err != nil {
		t.Fatal(err)
	}
	full, err := server.NewDirAccResolver(t.TempDir(), 0, packs, server.NoDelete)
	if err != nil {
		t.Fatal(err)
	}
	system, systemJWT := control.SystemAccount()
	stored[system] = systemJWT
	for account, token := range stored {
		if err := full.Store(account, token); err != nil {
			t.Fatal(err)
		}
	}
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		TrustedOperators: []*jwt.OperatorClaims{operator}, SystemAccount: system, AccountResolver: full,
		Cluster: server.ClusterOpts{Name: "stock", Host: "127.0.0.1", Port: server.RANDOM_PORT},
	}
	if peer != nil {
		o.Routes = []*url.URL{{Scheme: "nats", Host: "127.0.0.1:" + strconv.Itoa(peer.ClusterAddr().Port)}}
	}
	for _, a := range adjust {
		a(o)
	}
	s, err := server.NewServer(o)
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
