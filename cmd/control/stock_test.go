package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// startClusterStack is a stack whose broker listens for routes on ports[2].
func startClusterStack(t *testing.T) *stack {
	t.Helper()
	return startStackOn(t, func(s *stack) string {
		return fmt.Sprintf("server_name: one\nlisten: 127.0.0.1:%s\ncluster { name: mixed, listen: 127.0.0.1:%s }\n", s.ports[1], s.ports[2])
	})
}

// serverConfig is what control says makes a stock server a member.
func (c *customer) serverConfig(operator, kind string) string {
	c.t.Helper()
	status, body, err := c.call("GET", "/v1/operators/"+operator+"/server-config?type="+kind, nil)
	if err != nil || status != http.StatusOK {
		c.t.Fatalf("server-config: %d %s, %v", status, body, err)
	}
	return string(body)
}

// startStock starts an unmodified nats-server from exactly that configuration,
// in the broker's cluster, on a folder that is kept.
func (s *stack) startStock(operator, name, dir, member string) *server.Server {
	s.t.Helper()
	member = strings.ReplaceAll(member, `"./jwt"`, fmt.Sprintf("%q", filepath.Join(dir, "jwt"))) // as if it ran in there
	member = strings.ReplaceAll(member, `interval: "1m"`, `interval: "100ms"`)
	if err := os.WriteFile(filepath.Join(dir, "member.conf"), []byte(member), 0o600); err != nil {
		s.t.Fatal(err)
	}
	own := fmt.Sprintf("server_name: %s\nlisten: \"127.0.0.1:-1\"\ninclude \"member.conf\"\n"+
		"cluster { name: mixed, listen: \"127.0.0.1:-1\", routes: [\"nats://127.0.0.1:%s\"] }\n", name, s.ports[2])
	if err := os.WriteFile(filepath.Join(dir, "nats.conf"), []byte(own), 0o600); err != nil {
		s.t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(filepath.Join(dir, "nats.conf"))
	if err != nil {
		s.t.Fatalf("read the configuration of %s: %v\n%s", name, err, member)
	}
	options.NoSigs, options.NoLog = true, true
	stock, err := server.NewServer(options)
	if err != nil {
		s.t.Fatalf("start %s: %v", name, err)
	}
	go stock.Start()
	s.t.Cleanup(func() { stock.Shutdown(); stock.WaitForShutdown() })
	if !stock.ReadyForConnections(patience) {
		s.t.Fatalf("%s is not ready", name)
	}
	s.awaitMember(operator, name)
	return stock
}

// awaitMember waits until what is published at the broker reaches the server.
func (s *stack) awaitMember(operator, name string) {
	s.t.Helper()
	nc := s.systemUser(operator, s.nats)
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, name+" to be in the cluster", func() error {
		if err := nc.PublishRequest("$SYS.REQ.SERVER.PING", inbox, nil); err != nil {
			return err
		}
		for {
			m, err := sub.NextMsg(100 * time.Millisecond)
			if err != nil {
				return err
			}
			if strings.Contains(string(m.Data), fmt.Sprintf(`"name":%q`, name)) {
				return nil
			}
		}
	})
}

// An unmodified nats-server, started from the configuration that control gives,
// lets users in, hears of revocations, and needs nothing but that.
func TestStockServersAreMembersByTheirConfiguration(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("stockist")
	operator := c.asStaff(s).ID
	user := c.user("device", "")
	c.inForce()
	for _, kind := range []string{"cache", "full", "url", "memory"} { // the full resolver would answer the cache's lookups
		t.Run(kind, func(t *testing.T) {
			stock := s.startStock(operator, kind, s.t.TempDir(), c.serverConfig(operator, kind)) // runs on beside those after it
			lost, kept := c.issue(user.ID), c.issue(user.ID)
			var gone, stays *client
			eventually(t, "the user to be let in", func() (err error) {
				if gone, err = connect(t, stock.ClientURL(), lost.file); err != nil {
					return err
				}
				stays, err = connect(t, stock.ClientURL(), kept.file)
				return err
			})
			c.revokeAndWait(lost.ID, "PT30S")
			wantThrownOut(t, gone)
			wantRefused(t, stock.ClientURL(), lost.file)
			wantEcho(t, stays)
			stays.Close()
		})
	}
}

// A full resolver that was away fills itself from control when it is back,
// although no other server of its kind is there to ask.
func TestStockServerCatchesUpAfterAnOutage(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	s.unlimited()
	c := s.signUp("outage")
	operator := c.asStaff(s).ID
	dir, member := t.TempDir(), c.serverConfig(operator, "full")
	stock := s.startStock(operator, "stock", dir, member)
	holds := func(account string) error {
		_, err := os.Stat(filepath.Join(dir, "jwt", account+".jwt"))
		return err
	}
	var first resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &first)
	eventually(t, "the account made before it started", func() error { return holds(first.PublicKey) })

	stock.Shutdown()
	stock.WaitForShutdown()
	lost := c.issue(c.user("lost", "").ID)
	held := time.Now()
	eventually(t, "the next second: within one, a full resolver cannot tell two JWTs apart", func() error {
		if !time.Now().Truncate(time.Second).After(held) {
			return fmt.Errorf("it has not begun")
		}
		return nil
	})
	c.revokeAndWait(lost.ID, "PT30S")
	var later []resource
	for i := range 60 { // more than one message of a pack holds
		var a resource
		c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": fmt.Sprint("later", i)}, &a)
		later = append(later, a)
	}
	stock = s.startStock(operator, "stock", dir, member)
	for _, a := range later {
		eventually(t, "an account made while it was away", func() error { return holds(a.PublicKey) })
	}
	wantRefused(t, stock.ClientURL(), lost.file)
	eventually(t, "the server to hold what control does, so that it is sent nothing more", func() error {
		want, err := s.openDomain().PackHash(t.Context(), tenants.OperatorID(operator))
		if err != nil {
			return err
		}
		if got := stock.AccountResolver().(*server.DirAccResolver).Hash(); got != want {
			return fmt.Errorf("hash = %x, want %x", got, want)
		}
		return nil
	})
}

func TestControlListsAccountsOnTheSystemAccount(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("lister")
	operator := c.asStaff(s).ID
	c.inForce()
	stock := s.startStock(operator, "stock", t.TempDir(), c.serverConfig(operator, "cache"))
	var account resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &account)
	nc := s.systemUser(operator, stock.ClientURL())
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("$SYS.REQ.CLAIMS.LIST", inbox, nil); err != nil {
		t.Fatal(err)
	}
	for { // the stock server answers as well, with what it has
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		var list struct {
			Server struct{ Name string }
			Data   []string
		}
		if err := json.Unmarshal(m.Data, &list); err != nil {
			t.Fatal(err)
		}
		if list.Server.Name != "signalbox-control" {
			continue
		}
		if len(list.Data) != 2 || !slices.Contains(list.Data, account.PublicKey) {
			t.Errorf("control lists %v, want the system account and %s", list.Data, account.PublicKey)
		}
		return
	}
}

// systemUser connects as somebody who may do everything on the system account.
func (s *stack) systemUser(operator, url string) *nats.Conn {
	s.t.Helper()
	return s.systemUserWith(operator, url, claims.OpenTemplate())
}

func (s *stack) systemUserWith(operator, url string, may claims.Template) *nats.Conn {
	s.t.Helper()
	domain := s.openDomain()
	token, seed, err := domain.SystemUser(s.t.Context(), tenants.OperatorID(operator), "", "admin", may)
	if err != nil {
		s.t.Fatal(err)
	}
	nc, err := nats.Connect(url, nats.UserJWT(func() (string, error) { return token, nil }, seed.Sign))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

func TestAccountServerNeedsItsToken(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("reader")
	operator := c.asStaff(s).ID
	_, rest, _ := strings.Cut(c.serverConfig(operator, "url"), `URL("`)
	root, _, _ := strings.Cut(rest, `"`)
	var account resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &account)
	token := strings.Split(root, "/")[6]
	for url, want := range map[string]int{
		root:                     http.StatusOK,
		root + account.PublicKey: http.StatusOK,
		root + strings.Replace(account.PublicKey, "A", "B", 1): http.StatusNotFound,
		root + "nothing": http.StatusNotFound,
		strings.Replace(root, token, strings.Repeat("0", len(token)), 1) + account.PublicKey: http.StatusNotFound,
		strings.Replace(root, token+"/", "", 1) + account.PublicKey:                          http.StatusNotFound,
		strings.Replace(root, operator, strings.Replace(operator, "opr_0", "opr_1", 1), 1):   http.StatusNotFound,
		strings.Replace(root, operator, "opr", 1) + account.PublicKey:                        http.StatusNotFound,
	} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: status = %d, want %d", url, res.StatusCode, want)
		}
	}
	if strings.Contains(s.control.output(), token) {
		t.Error("the log holds the token")
	}
}
