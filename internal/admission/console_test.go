package admission_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// console is an account whose role is for people who are signed in, if it is to be.
func console(t *testing.T, cluster *brokertest.Cluster, is bool) *brokertest.Account {
	t.Helper()
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(func(a *claims.Account) {
		a.Roles[0].Template.Bearer = true
		a.Roles[0].Template.ConnectionTypes = []claims.ConnectionType{claims.WebSocket}
		if is {
			a.ConsoleRoles = []claims.AccountKey{a.Roles[0].Key}
		}
	}))
	return account
}

// cookie is a credential for a browser whose session ends then.
func cookie(t *testing.T, account *brokertest.Account, key claims.UserKey, expires, session time.Time) string {
	t.Helper()
	token, err := claims.EncodeUser(claims.User{Key: key, Name: "ada@example.com", Account: account.Key, Expires: expires, Session: session}, account.Role)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// browse connects as a browser does that has the cookie: it sends nothing itself.
func browse(node *brokertest.Node, token string, more ...nats.Option) (nc *nats.Conn, closed chan time.Time, err error) {
	closed = make(chan time.Time, 1)
	more = append(more, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { closed <- time.Now() }),
		nats.WebSocketConnectionHeaders(http.Header{"Cookie": {brokertest.ConsoleCookie + "=" + token}}))
	nc, err = nats.Connect(node.Endpoints().WebSocket[0], more...)
	return nc, closed, err
}

func TestConsolesConnectionOutlivesItsJWTUntilTheSessionEnds(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	_, key := brokertest.NewUserSeed(t)
	for name, c := range map[string]struct {
		is    bool
		until func(expires, session time.Time) time.Time
	}{
		"role of control's": {true, func(_, session time.Time) time.Time { return session }},
		"any other role":    {false, func(expires, _ time.Time) time.Time { return expires }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := console(t, cluster, c.is)
			expires := time.Now().Truncate(time.Second).Add(3 * time.Second)
			session := expires.Add(3 * time.Second)
			token := cookie(t, account, key, expires, session)
			nc, closed, err := browse(node, token)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			select {
			case at := <-closed:
				if want := c.until(expires, session); at.Before(want.Add(-50*time.Millisecond)) || at.After(want.Add(time.Second)) {
					t.Errorf("closed %s after the JWT expired, want %s", at.Sub(expires), want.Sub(expires))
				}
			case <-patience(t).Done():
				t.Fatal("the connection does not end")
			}
			waitFor(t, "the JWT that has expired to let nobody in", func() bool {
				nc, _, err := browse(node, token)
				if err == nil {
					nc.Close()
				}
				return err != nil
			})
		})
	}
}

func TestRevokingAConsolesKeyEndsWhatEarlierJWTsOpened(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account := cluster.Nodes[0], console(t, cluster, true)
	_, key := brokertest.NewUserSeed(t)
	first := cookie(t, account, key, time.Now().Add(time.Minute), time.Now().Add(time.Hour))
	nc, closed, err := browse(node, first)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	renewed := cookie(t, account, key, time.Now().Add(2*time.Minute), time.Now().Add(time.Hour))
	node.WaitApplied(account.Revoke(key))
	select {
	case <-closed:
	case <-patience(t).Done():
		t.Fatal("the connection does not end")
	}
	for _, token := range []string{first, renewed} {
		if _, _, err := browse(node, token); err == nil {
			t.Error("a revoked key is let in")
		}
	}
	waitFor(t, "two refusals", func() bool { return node.Admission().Refused(admission.CredentialRevoked) == 2 })
}

// A browser has one cookie for all accounts, so the page says which it means.
func TestConsoleOfAnotherAccountThanTheClientNamesIsRefused(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account, other := cluster.Nodes[0], console(t, cluster, true), console(t, cluster, true)
	_, key := brokertest.NewUserSeed(t)
	token := cookie(t, account, key, time.Now().Add(time.Minute), time.Now().Add(time.Hour))
	nc, _, err := browse(node, token, nats.UserInfo(string(account.Key), ""))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if _, _, err := browse(node, token, nats.UserInfo(string(other.Key), "")); err == nil {
		t.Error("it is let into an account that it did not mean")
	}
	waitFor(t, "it to be counted", func() bool { return node.Admission().Refused(admission.CookieAccount) == 1 })
}

func TestConsoleNeedsWebSocket(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account := cluster.Nodes[0], console(t, cluster, true)
	_, key := brokertest.NewUserSeed(t)
	token := cookie(t, account, key, time.Now().Add(time.Minute), time.Now().Add(time.Hour))
	jwtOnly := nats.UserJWT(func() (string, error) { return token, nil }, func([]byte) ([]byte, error) { return nil, nil })
	if nc, err := nats.Connect(node.ClientURL(), jwtOnly); err == nil {
		nc.Close()
		t.Error("a stolen cookie is let in over TCP")
	}
	waitFor(t, "it to be counted", func() bool { return node.Admission().Refused(admission.ConnectionType) == 1 })
}

// Whoever holds the seed of another role can sign what they like: it is not believed of how long it may stay.
func TestSessionIsBelievedOfControlsRolesOnly(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	account := console(t, cluster, false)
	user := custom(t, account, func(c *jwt.UserClaims) {
		c.Expires = time.Now().Add(2 * time.Second).Unix()
		c.Tags = append(c.Tags, "signalbox-session:4102444800")
	})
	nc, closed, err := browse(cluster.Nodes[0], user.JWT)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	select {
	case <-closed:
	case <-patience(t).Done():
		t.Fatal("the connection outlives its JWT")
	}
}

// A browser adds the cookie to whatever a page connects with.
func TestWhatAPageShowsItselfCountsBeforeTheCookie(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account := cluster.Nodes[0], console(t, cluster, true)
	_, key := brokertest.NewUserSeed(t)
	token := cookie(t, account, key, time.Now().Add(time.Minute), time.Now().Add(time.Hour))
	secret := account.NewSecret()
	nkey, device := brokertest.NewUserSeed(t)
	_, other := brokertest.NewUserSeed(t)
	pair := must(nkeys.FromSeed(nkey.Reveal()))(t)
	role := must(account.Role.AccountKey())(t)
	node.WaitApplied(account.SetLogins(
		claims.DeviceLogin{Digest: claims.NkeyDigest(device), User: device, Name: "by-nkey", Role: role, IssuedAt: time.Now()},
		claims.DeviceLogin{Digest: secret.Digest(), User: other, Name: "by-secret", Role: role, IssuedAt: time.Now()},
	))
	for want, option := range map[claims.UserKey]nats.Option{
		key:    nats.UserInfo(string(account.Key), ""),
		other:  nats.UserInfo("", secret.Reveal()),
		device: nats.Nkey(string(device), pair.Sign),
	} {
		more := []nats.Option{option}
		if want == device {
			more = append(more, nats.Token(string(account.Key)))
		}
		nc, _, err := browse(node, token, more...)
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		defer nc.Close()
		found := false
		for _, c := range connz(t, node.Server(), account) {
			found = found || c.User == string(want)
		}
		if !found {
			t.Errorf("nobody is connected as %s: %+v", want, connz(t, node.Server(), account))
		}
	}
}
