package resolver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// letIn tries until the client is let in.
func letIn(t *testing.T, c brokertest.Credential, url string) {
	t.Helper()
	deadline := time.Now().Add(brokertest.Patience)
	for {
		nc, err := c.Dial(url)
		if err == nil {
			nc.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never let in: %v", err)
		}
	}
}

// nextSecond waits for the clock: JWTs say when they were made in whole seconds.
func nextSecond() { <-time.After(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }

func TestBrokerThatIsBehindAsksItsPeersWhileControlIsAway(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	node := cluster.Nodes[1]
	account, created := cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("created meanwhile")
	was := account.Change(nil)
	cluster.WaitApplied(was)
	revoked, kept, newcomer := account.Issue("app"), account.Issue("app"), created.Issue("app")
	node.Stop()
	for range 600 { // more than one answer
		cluster.Control.NewAccount("another").Change(nil)
	}
	created.Change(nil)
	nextSecond() // within one, a peer is not believed
	head := account.Revoke(revoked.Key)
	cluster.WaitApplied(head)
	cluster.Control.StopHub()
	node.Start()
	nc, err := revoked.Dial(node.ClientURL()) // it may still be let in, but not stay
	if err == nil {
		brokertest.WaitClosed(t, nc)
	}

	letIn(t, newcomer, node.ClientURL())
	letIn(t, kept, node.ClientURL())
	mustBeRefused(t, revoked, node.ClientURL())
	if p, _ := node.Progress(); p.Applied != was {
		t.Errorf("applied = %d, want %d: only control moves it", p.Applied, was)
	}

	cluster.Control.StartHub()
	node.WaitApplied(head)
	mustBeRefused(t, revoked, node.ClientURL())
}

// A user of the system account who may do everything answers for a peer, as
// badly as can be.
func TestHostilePeerChangesNothing(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account, other := cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
	older := account.Edit(nil)
	other.Change(nil)
	account.Change(nil)
	user := account.Issue("app")
	was := account.Revoke(user.Key)
	node.WaitApplied(was)
	stranger := brokertest.NewControl(t)
	foreign, bad := account.SignedBy(stranger), tamper(older)
	cluster.Control.StopHub()

	admin := cluster.Control.SystemCreds().Connect(t, node.ClientURL())
	_, liar := brokertest.NewUserSeed(t)
	entry := func(revision resolver.Revision, account, token string) string {
		text, err := json.Marshal(resolver.Entry{Account: account, Revision: revision, JWT: token})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	key, huge := string(account.Key), int64(math.MaxInt64)
	answers := []string{
		"", "{", "null", "[]", `{"applied_to":-5}`, fmt.Sprintf(`{"applied_to":%d}`, huge), fmt.Sprintf(`{"applied_to":%d,"more":true}`, huge),
		fmt.Sprintf(`{"entries":[%s],"applied_to":%d}`, entry(huge, key, older), huge),
		fmt.Sprintf(`{"entries":[%s],"applied_to":%d}`, entry(was+1, key, older), was+1),
		fmt.Sprintf(`{"entries":[%s],"applied_to":%d}`, entry(was+1, key, foreign), was+1),
		fmt.Sprintf(`{"entries":[%s],"applied_to":%d}`, entry(was+1, key, bad), was+1),
		fmt.Sprintf(`{"entries":[%s],"applied_to":%d}`, entry(was+1, string(other.Key), older), was+1),
		fmt.Sprintf(`{"entries":[%s],"applied_to":%d}`, entry(-1, key, older), was+1),
		fmt.Sprintf(`{"entries":[%s,%s],"applied_to":%d}`, entry(was+2, key, older), entry(was+1, key, older), was+2),
		strings.Repeat("x", 500_000),
	}
	var turn atomic.Int64
	done := make(chan struct{})
	for subject, answer := range map[string]func(m *nats.Msg){
		resolver.SubjectPeers: func(m *nats.Msg) {
			_ = m.Respond([]byte(`{"broker":17}`))
			_ = m.Respond([]byte(`{"broker":"../>","applied":9}`))
			_, liar = brokertest.NewUserSeed(t) // a new one each time, or it is not asked again
			_ = m.Respond(fmt.Appendf(nil, `{"broker":%q,"applied":%d}`, liar, huge))
		},
		resolver.SubjectPeers + ".*": func(m *nats.Msg) {
			n := turn.Add(1)
			_ = m.Respond([]byte(answers[int(n-1)%len(answers)]))
			if n == int64(len(answers))+1 { // the last one has been dealt with
				close(done)
			}
		},
	} {
		if _, err := admin.Subscribe(subject, answer); err != nil {
			t.Fatal(err)
		}
	}
	heads, patience := time.NewTicker(10*time.Millisecond), time.After(brokertest.Patience)
	defer heads.Stop()
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-heads.C: // each makes it ask again at once
			if err := admin.Publish(resolver.SubjectHead, fmt.Appendf(nil, `{"revision":%d}`, huge)); err != nil {
				t.Fatal(err)
			}
		case <-patience:
			t.Fatalf("only %d of %d answers were asked for", turn.Load(), len(answers))
		}
	}

	mustBeRefused(t, user, node.ClientURL())
	if p, _ := node.Progress(); p.Applied != was {
		t.Errorf("applied = %d, want %d", p.Applied, was)
	}
	admin.Close()
	cluster.Control.StartHub()
	second := account.Issue("app")
	node.WaitApplied(account.Revoke(second.Key)) // and control's changes are still taken
	mustBeRefused(t, second, node.ClientURL())
	mustBeRefused(t, user, node.ClientURL())
}

func TestBrokersCredsCannotSpeakForControl(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	creds := cluster.Control.BrokerCreds()
	problems := make(chan error, 100)
	nc := creds.Connect(t, node.ClientURL(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { problems <- err }))
	refused := func(what string) {
		t.Helper()
		select {
		case err := <-problems:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v, want a permissions violation", what, err)
			}
		case <-time.After(brokertest.Patience):
			t.Errorf("%s was allowed", what)
		}
	}
	for _, subject := range []string{resolver.SubjectHead, resolver.SubjectUpdate, "_INBOX.somebody.else", "_INBOX." + node.PublicKey() + ".x"} {
		if err := nc.Publish(subject, []byte(`{"revision":9}`)); err != nil {
			t.Fatal(err)
		}
		refused("publishing to " + subject)
	}
	for _, subject := range []string{"_INBOX.>", "_INBOX." + node.PublicKey() + ".>", resolver.SubjectCatchUp, resolver.SubjectPeers + "." + node.PublicKey(), ">"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		refused("listening on " + subject)
	}
}

func TestStoredAccountThatDoesNotVerifyIsLookedUpWhenUsed(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	node.Stop()
	account := cluster.Control.NewAccount("acme")
	good := account.Edit(nil)
	cluster.Control.Put(string(account.Key), tamper(good))
	user := account.Issue("app")
	var last resolver.Revision
	for range 30 { // too many to check each
		last = cluster.Control.NewAccount("another").Change(nil)
	}
	node.Start()
	node.WaitApplied(last)
	if got := cluster.Control.Refusals(); len(got) != 0 {
		t.Errorf("refusals = %+v, want none: nobody uses the account", got)
	}

	mustBeRefused(t, user, node.ClientURL())
	cluster.Control.WaitFor(patience(t), "the refusal", func() bool {
		return slices.ContainsFunc(cluster.Control.Standing(node.PublicKey()), func(r resolver.Refusal) bool {
			return r.Account == string(account.Key) && strings.Contains(r.Reason, "signature")
		})
	})
	cluster.Control.Mend(string(account.Key), good)
	user.Connect(t, node.ClientURL())
	cluster.Control.WaitFor(patience(t), "the end of the refusal", func() bool {
		return len(cluster.Control.Standing(node.PublicKey())) == 0
	})
}

func readyz(t *testing.T, node *brokertest.Node) string {
	t.Helper()
	response, err := http.Get(node.MetricsURL() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestCacheServesWhatIsAskedForAndFollowsItsChanges(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	node.Stop()
	if err := os.RemoveAll(filepath.Join(node.Dir, "accounts")); err != nil {
		t.Fatal(err)
	}
	var accounts []*brokertest.Account
	var last resolver.Revision
	for range 700 {
		accounts = append(accounts, cluster.Control.NewAccount("acme"))
		last = accounts[len(accounts)-1].Change(nil)
	}
	node.Store, node.CacheSize = "cache", "4"
	node.Start()
	node.WaitApplied(last)
	if got := readyz(t, node); !strings.Contains(got, "cache of 0 accounts") || !strings.Contains(got, fmt.Sprintf("revision: %d of %d", last, last)) {
		t.Errorf("readyz = %q, want a cache of 0 accounts at %d", got, last)
	}

	user := accounts[3].Issue("app")
	nc := user.Connect(t, node.ClientURL())
	accounts[5].Change(nil) // which it does not hold
	node.WaitApplied(accounts[3].Revoke(user.Key))
	brokertest.WaitClosed(t, nc)
	mustBeRefused(t, user, node.ClientURL())
	if got := readyz(t, node); !strings.Contains(got, "cache of 1 accounts") {
		t.Errorf("readyz = %q, want a cache of 1 account", got)
	}

	t.Run("what is loaded stays, whatever the limit", func(t *testing.T) {
		for _, account := range accounts[10:20] {
			account.Issue("app").Connect(t, node.ClientURL())
		}
		if got := readyz(t, node); !strings.Contains(got, "cache of 11 accounts") {
			t.Errorf("readyz = %q, want a cache of 11 accounts", got)
		}
	})
	t.Run("what was missed while down is in force after", func(t *testing.T) {
		kept := accounts[12].Issue("app")
		missed := accounts[12].Issue("app")
		node.Stop()
		head := accounts[12].Revoke(missed.Key)
		node.Start()
		node.WaitApplied(head)
		mustBeRefused(t, missed, node.ClientURL())
		kept.Connect(t, node.ClientURL())
	})
}

func TestPushThatCannotBeStoredIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s, r, store := bare(t, control)
	creds := control.BrokerCreds()
	login, err := resolver.NewLogin(creds.JWT, creds.Seed)
	if err != nil {
		t.Fatal(err)
	}
	follower := resolver.NewFollower(r, string(creds.Key), brokertest.Logger(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- follower.Run(ctx, s, login) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	control.Seat(string(creds.Key), s.ClientURL())
	account := control.NewAccount("acme")
	user := account.Issue("app")
	was := account.Change(nil)
	control.WaitFor(patience(t), "the first receipt", func() bool { return control.Applied(string(creds.Key)) >= was })

	store.FailWrites(syscall.ENOSPC)
	head := account.Revoke(user.Key)
	control.WaitFor(patience(t), "the broker to say so", func() bool {
		return slices.ContainsFunc(control.Reported(string(creds.Key)).Refusals, func(r resolver.Refusal) bool {
			return r.Revision == head && strings.Contains(r.Reason, "no space left")
		})
	})
	if got := control.Applied(string(creds.Key)); got != was {
		t.Errorf("applied = %d, want %d", got, was)
	}
	store.FailWrites(nil)
	control.WaitFor(patience(t), "the change to be applied", func() bool { return control.Applied(string(creds.Key)) >= head })
	mustBeRefused(t, user, s.ClientURL())
}

// Whatever happens to one of three brokers while accounts change and credentials
// are revoked, in the end each has everything, and says so.
func TestEveryBrokerEndsAtTheHeadWhateverHappensToOne(t *testing.T) {
	t.Parallel()
	spoil := func(t *testing.T, node *brokertest.Node, pattern string) {
		files, err := filepath.Glob(filepath.Join(node.Dir, "accounts", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("files %s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := 11; i < len(text); i += 1000 {
				text[i] ^= 4
			}
			write(t, file, text)
		}
	}
	restore := func(t *testing.T, node *brokertest.Node, copied string) {
		store := filepath.Join(node.Dir, "accounts")
		if err := errors.Join(os.RemoveAll(store), os.Rename(copied, store)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		before, after func(t *testing.T, cluster *brokertest.Cluster, node *brokertest.Node, copied string)
	}{
		"killed": {
			func(_ *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) { n.Stop() },
			func(_ *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) { n.Start() },
		},
		"cut off from peers and control": {
			func(_ *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) {
				n.Stop()
				n.Alone, n.WithoutControl = true, true
				n.Start()
			},
			func(_ *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) {
				n.Stop()
				n.Alone, n.WithoutControl = false, false
				n.Start()
			},
		},
		"all cut off from control": {
			func(_ *testing.T, c *brokertest.Cluster, _ *brokertest.Node, _ string) { c.Control.StopHub() },
			func(_ *testing.T, c *brokertest.Cluster, _ *brokertest.Node, _ string) { c.Control.StartHub() },
		},
		"restored from an old copy": {
			func(_ *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) { n.Stop() },
			func(t *testing.T, _ *brokertest.Cluster, n *brokertest.Node, copied string) {
				restore(t, n, copied)
				n.Start()
			},
		},
		"its log spoiled": {
			func(_ *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) { n.Stop() },
			func(t *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) {
				spoil(t, n, "log-*")
				n.Start()
			},
		},
		"its index spoiled": {
			func(_ *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) { n.Stop() },
			func(t *testing.T, _ *brokertest.Cluster, n *brokertest.Node, _ string) {
				spoil(t, n, "index-*")
				n.Start()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := brokertest.Start(t, 3)
			account, other := cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
			var revoked []brokertest.Credential
			for turn, node := range cluster.Nodes {
				other.Change(nil)
				cluster.WaitApplied(account.Change(func(c *claims.Account) { c.Description = fmt.Sprint(turn) }))
				kept, gone := account.Issue("app"), account.Issue("app")
				gone.Connect(t, node.ClientURL())
				copied := copyStore(t, filepath.Join(node.Dir, "accounts"))
				cluster.WaitApplied(other.Change(nil))

				c.before(t, cluster, node, copied)
				revoked = append(revoked, gone)
				account.Revoke(gone.Key)
				head := other.Change(nil)
				c.after(t, cluster, node, copied)

				cluster.WaitApplied(head)
				for _, n := range cluster.Nodes {
					cluster.Control.WaitFor(patience(t), n.Name+"'s receipt", func() bool {
						return cluster.Control.Reported(n.PublicKey()).Applied == head
					})
					for _, gone := range revoked {
						mustBeRefused(t, gone, n.ClientURL())
					}
					kept.Connect(t, n.ClientURL()).Close()
				}
			}
		})
	}
}

// Both JWTs then say the same time, and in stock clusters, which compare nothing
// else, brokers can stay apart for good.
func TestOfTwoChangesWithinOneSecondTheLaterWinsEverywhere(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 2)
	account := cluster.Control.NewAccount("acme")
	user := account.Issue("app")
	issuedAt := func() time.Time {
		facts, err := claims.DecodeAccount(cluster.Control.Entry(string(account.Key)).JWT)
		if err != nil {
			t.Fatal(err)
		}
		return facts.IssuedAt
	}
	for {
		nextSecond()
		cluster.WaitApplied(account.Change(nil))
		first := issuedAt()
		cluster.Control.LoseNext(1) // nobody gets the second one, until somebody asks
		account.Change(func(c *claims.Account) { c.Revoked[user.Key] = time.Now() })
		if issuedAt().Equal(first) {
			break
		}
		account.Change(func(c *claims.Account) { clear(c.Revoked) }) // too slow: once more
	}
	head := cluster.Control.NewAccount("another").Change(nil)
	cluster.WaitApplied(head)
	for _, node := range cluster.Nodes {
		mustBeRefused(t, user, node.ClientURL())
	}
}
