package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	t.Cleanup(cancel)
	return ctx
}

func mustBeRefused(t *testing.T, c brokertest.Credential, url string) {
	t.Helper()
	nc, err := c.Dial(url)
	if err == nil {
		nc.Close()
		t.Fatal("the client was let in, want it refused")
	}
	if !errors.Is(err, nats.ErrAuthorization) && !errors.Is(err, nats.ErrAuthExpired) && !errors.Is(err, nats.ErrAuthRevoked) && !errors.Is(err, nats.ErrMaxAccountConnectionsExceeded) {
		t.Fatalf("refused with %v, want an authorization error", err)
	}
}

func TestPublishedAccountIsInForceOnEveryBroker(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	account := cluster.Control.NewAccount("acme")
	revision := account.Change(nil)
	cluster.WaitApplied(revision)
	user := account.Issue("app")

	t.Run("a client is let in everywhere, and messages cross brokers", func(t *testing.T) {
		last := user.Connect(t, cluster.Nodes[2].ClientURL())
		sub, err := last.SubscribeSync("greet")
		if err != nil {
			t.Fatal(err)
		}
		if err := last.Flush(); err != nil {
			t.Fatal(err)
		}
		for _, node := range cluster.Nodes {
			nc := user.Connect(t, node.ClientURL())
			deliver(t, nc, sub, "greet", node.Name)
		}
	})
	t.Run("control has a receipt from every broker", func(t *testing.T) {
		for _, node := range cluster.Nodes {
			cluster.Control.WaitFor(patience(t), "a receipt of "+node.Name, func() bool {
				return cluster.Control.Applied(node.PublicKey()) >= revision
			})
		}
	})
	t.Run("changes in a row converge", func(t *testing.T) {
		var last resolver.Revision
		for i := range 50 {
			last = account.Change(func(c *claims.Account) { c.Description = fmt.Sprint(i) })
		}
		cluster.WaitApplied(last)
	})
}

// deliver publishes until sub hears it: interest may still be on its way.
func deliver(t *testing.T, nc *nats.Conn, sub *nats.Subscription, subject, text string) {
	t.Helper()
	deadline := time.Now().Add(brokertest.Patience)
	for time.Now().Before(deadline) {
		if err := nc.Publish(subject, []byte(text)); err != nil {
			t.Fatal(err)
		}
		m, err := sub.NextMsg(100 * time.Millisecond)
		if errors.Is(err, nats.ErrTimeout) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data) == text {
			return
		}
	}
	t.Fatalf("%q was never delivered", text)
}

func TestRevokedClientIsClosedAndCannotReturn(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	revoked, kept := account.Issue("app"), account.Issue("app")
	var closing, staying []*nats.Conn
	for _, node := range cluster.Nodes {
		closing = append(closing, revoked.Connect(t, node.ClientURL()))
		staying = append(staying, kept.Connect(t, node.ClientURL()))
	}

	cluster.WaitApplied(account.Revoke(revoked.Key))

	for i, node := range cluster.Nodes {
		brokertest.WaitClosed(t, closing[i])
		mustBeRefused(t, revoked, node.ClientURL())
		if err := staying[i].Flush(); err != nil {
			t.Errorf("the other credential on %s: %v", node.Name, err)
		}
	}
}

func TestDeletedAccountLosesItsClientsAndCanComeBack(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	nc := user.Connect(t, node.ClientURL())

	node.WaitApplied(account.Delete())
	brokertest.WaitClosed(t, nc)
	mustBeRefused(t, user, node.ClientURL())

	node.WaitApplied(account.Change(nil))
	user.Connect(t, node.ClientURL())
}

func TestExpiredAccountIsRevivedByItsNextClaims(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	nc := user.Connect(t, node.ClientURL())

	node.WaitApplied(cluster.Control.Put(string(account.Key), account.Expired(time.Now().Add(-time.Hour))))
	brokertest.WaitClosed(t, nc)
	mustBeRefused(t, user, node.ClientURL())

	node.WaitApplied(account.Change(nil))
	user.Connect(t, node.ClientURL())
}

func TestLostPushIsNoticedAndAskedFor(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account, other := cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	nc := user.Connect(t, node.ClientURL())

	cluster.Control.LoseNext(1)
	account.Revoke(user.Key)
	node.WaitApplied(other.Change(nil)) // which comes with what went before it

	brokertest.WaitClosed(t, nc)
	mustBeRefused(t, user, node.ClientURL())
}

func TestLostPushIsNoticedFromTheHeadAlone(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	cluster.Control.LoseNext(1)
	cluster.WaitApplied(cluster.Control.NewAccount("acme").Change(nil)) // the hub says it by itself

	cluster.Control.LoseNext(1)
	revision := cluster.Control.NewAccount("acme").Change(nil)
	if err := cluster.Control.Hub().Announce(t.Context(), brokertest.OperatorID); err != nil { // or when it is asked to
		t.Fatal(err)
	}
	cluster.WaitApplied(revision)
}

func TestReceiptsOfABrokerThatHasCaughtUpAreSettled(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	revision := cluster.Control.NewAccount("acme").Change(nil)
	cluster.WaitApplied(revision)
	cluster.Control.WaitFor(t.Context(), "a settled receipt", func() bool {
		r := cluster.Control.Reported(cluster.Nodes[0].PublicKey())
		return r.Settled && r.Applied == revision
	})
}

func TestBrokerCatchesUpOnWhatItMissedWhileDown(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	node := cluster.Nodes[1]
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	revoked := account.Issue("app")

	node.Stop()
	revision := account.Revoke(revoked.Key)
	cluster.WaitApplied(revision)
	node.Start()

	node.WaitApplied(revision)
	mustBeRefused(t, revoked, node.ClientURL())
}

func TestBrokerServesKnownAccountsWithoutControl(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	revoked, kept := account.Issue("app"), account.Issue("app")
	account.Change(nil)
	node.WaitApplied(account.Revoke(revoked.Key))

	cluster.Control.Close()
	node.Stop()
	node.WithoutControl = true
	node.Start()

	kept.Connect(t, node.ClientURL())
	mustBeRefused(t, revoked, node.ClientURL())
}

func TestRestartedHubBringsWhatHappenedMeanwhile(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	nc := user.Connect(t, cluster.Nodes[0].ClientURL())

	cluster.Control.StopHub()
	revision := account.Revoke(user.Key)
	if err := nc.Flush(); err != nil {
		t.Fatalf("the client while control is away: %v", err)
	}
	cluster.Control.StartHub()

	cluster.WaitApplied(revision)
	brokertest.WaitClosed(t, nc)
}

func TestCatchUpCrossesManyBatches(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	node.Stop()
	var last resolver.Revision
	var account *brokertest.Account
	for range 1200 {
		account = cluster.Control.NewAccount("acme")
		last = account.Change(nil)
	}
	node.Start()

	node.WaitApplied(last)
	account.Issue("app").Connect(t, node.ClientURL())
	if got := cluster.Control.Lookups(); got != 0 {
		t.Errorf("lookups = %d, want 0: everything was delivered", got)
	}
}

func TestUnknownAccountIsRefusedFast(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	refuse := func(c brokertest.Credential) time.Duration {
		start := time.Now()
		mustBeRefused(t, c, node.ClientURL())
		return time.Since(start)
	}
	known := cluster.Control.NewAccount("known")
	node.WaitApplied(known.Change(nil))
	known.Issue("warm").Connect(t, node.ClientURL()).Close()

	var took []time.Duration
	for range 20 {
		took = append(took, refuse(cluster.Control.NewAccount("invented").Issue("app")))
	}
	slices.Sort(took)
	t.Logf("an unknown account is refused in %s (median), %s (worst)", took[10], took[19])
	if took[10] > time.Second {
		t.Errorf("median = %s: that is the wait for an answer", took[10])
	}

	t.Run("again from memory", func(t *testing.T) {
		user := cluster.Control.NewAccount("invented").Issue("app")
		before := cluster.Control.Lookups()
		for range 3 {
			refuse(user)
		}
		if got := cluster.Control.Lookups() - before; got != 1 {
			t.Errorf("lookups = %d, want 1: the others are remembered", got)
		}
	})
	t.Run("until it comes to be", func(t *testing.T) {
		account := cluster.Control.NewAccount("invented")
		user := account.Issue("app")
		refuse(user)
		node.WaitApplied(account.Change(nil))
		user.Connect(t, node.ClientURL())
	})
	t.Run("without control", func(t *testing.T) {
		cluster.Control.StopHub()
		if took := refuse(cluster.Control.NewAccount("invented").Issue("app")); took > 2*time.Second {
			t.Errorf("refused after %s", took)
		}
	})
}

func TestAccountThatWasNotDeliveredIsLookedUp(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	cluster.Control.LoseNext(1)
	account := cluster.Control.NewAccount("acme")
	revision := account.Change(nil)

	account.Issue("app").Connect(t, node.ClientURL())

	node.WaitApplied(revision) // the lookup's answer is no step of the feed
}

func TestRefusedPushIsVisibleAndTheFeedGoesOn(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	stranger := brokertest.NewControl(t)
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")

	for name, token := range map[string]string{
		"signed by another operator": account.SignedBy(stranger),
		"another account's":          cluster.Control.NewAccount("other").Edit(nil),
		"tampered with":              tamper(account.Edit(nil)),
		"garbage":                    "no JWT at all",
	} {
		t.Run(name, func(t *testing.T) {
			before := len(cluster.Control.Refusals())
			refused := cluster.Control.Put(string(account.Key), token)
			cluster.Control.WaitFor(patience(t), "the refusal", func() bool {
				return slices.ContainsFunc(cluster.Control.Refusals()[before:], func(r resolver.Refusal) bool {
					return r.Revision == refused && r.Account == string(account.Key) && r.Reason != "" && !strings.Contains(r.Reason, "eyJ")
				})
			})
			next := cluster.Control.NewAccount("next")
			node.WaitApplied(next.Change(nil))
			next.Issue("app").Connect(t, node.ClientURL())
			user.Connect(t, node.ClientURL()) // what was in force still is
		})
	}
	t.Run("a good one ends it", func(t *testing.T) {
		node.WaitApplied(account.Change(nil))
		cluster.Control.WaitFor(patience(t), "a receipt without refusals", func() bool {
			return len(cluster.Control.Standing(node.PublicKey())) == 0
		})
	})
}

func tamper(token string) string {
	parts := strings.Split(token, ".")
	other := byte('A') // which is base64 still
	if parts[2][10] == other {
		other = 'B'
	}
	return parts[0] + "." + parts[1] + "." + parts[2][:10] + string(other) + parts[2][11:]
}

func TestStrangersPushIsRefusedInTheStockForm(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	revoking := account.Edit(func(c *claims.Account) { c.Revoked[user.Key] = time.Now() })
	admin := cluster.Control.SystemCreds().Connect(t, node.ClientURL())

	m, err := admin.Request(resolver.SubjectUpdate, []byte(revoking), brokertest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(m.Data), `"error":{"account":"n/a","code":500`) {
		t.Errorf("answer = %s, want a stock error", m.Data)
	}
	// Nor does the server listen to the stock subjects behind our back.
	if _, err := admin.Request("$SYS.REQ.ACCOUNT."+string(account.Key)+".CLAIMS.UPDATE", []byte(revoking), brokertest.Patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("the stock update subject: %v, want no responders", err)
	}
	user.Connect(t, node.ClientURL())
}

func TestOlderRevisionNeverOverwritesNewer(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	old := account.Edit(nil)
	first := account.Change(nil)
	user := account.Issue("app")
	revision := account.Revoke(user.Key)
	node.WaitApplied(revision)
	admin := cluster.Control.SystemCreds().Connect(t, node.ClientURL())

	for _, replay := range []struct{ revision, previous resolver.Revision }{{first, 0}, {revision, first}, {first, first - 1}} {
		m := nats.NewMsg(resolver.SubjectUpdate)
		m.Header.Set(resolver.HeaderRevision, fmt.Sprint(replay.revision))
		m.Header.Set(resolver.HeaderPrevious, fmt.Sprint(replay.previous))
		m.Data = []byte(old)
		answer, err := admin.RequestMsg(m, brokertest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.Header.Get(resolver.HeaderApplied); got != fmt.Sprint(revision) {
			t.Errorf("applied = %s, want %d", got, revision)
		}
		mustBeRefused(t, user, node.ClientURL())
	}
	node.Stop()
	node.Start()
	mustBeRefused(t, user, node.ClientURL())
}

// An account that was changed twice is delivered with its later change, after
// other accounts' changes that came between. Until then it is not said that the
// first change is in force.
func TestRevisionIsAppliedOnceNothingBelowIsMissing(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account, other := cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
	at := account.Change(nil)
	node.WaitApplied(at)
	admin := cluster.Control.SystemCreds().Connect(t, node.ClientURL())
	push := func(revision, previous resolver.Revision, whole bool, token string) string {
		t.Helper()
		m := nats.NewMsg(resolver.SubjectUpdate)
		m.Header.Set(resolver.HeaderRevision, fmt.Sprint(revision))
		m.Header.Set(resolver.HeaderPrevious, fmt.Sprint(previous))
		if whole {
			m.Header.Set(resolver.HeaderWhole, "true")
		}
		m.Data = []byte(token)
		answer, err := admin.RequestMsg(m, brokertest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Header.Get(resolver.HeaderApplied)
	}
	// Another change of the account is at at+1 no more, but at at+3.
	if got := push(at+2, at, false, other.Edit(nil)); got != fmt.Sprint(at) {
		t.Errorf("with a change missing: applied = %s, want %d", got, at)
	}
	if got := push(at+3, at+2, true, account.Edit(nil)); got != fmt.Sprint(at+3) {
		t.Errorf("with nothing missing: applied = %s, want %d", got, at+3)
	}
	if got := push(at+3, at+2, true, account.Edit(nil)); got != fmt.Sprint(at+3) {
		t.Errorf("once more: applied = %s, want %d", got, at+3)
	}
}

// A login may be loading the account from its older JWT in the very moment the
// newer one is stored. Whoever wins, once the revision is applied nobody gets in.
func TestRevocationHoldsAgainstTheAccountsFirstUse(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	for range 40 {
		account := cluster.Control.NewAccount("acme")
		user := account.Issue("app")
		node.WaitApplied(account.Change(nil))
		var clients sync.WaitGroup
		start := make(chan struct{})
		for range 8 {
			clients.Go(func() {
				<-start
				if nc, err := user.Dial(node.ClientURL()); err == nil {
					nc.Close()
				}
			})
		}
		close(start)
		node.WaitApplied(account.Revoke(user.Key))
		mustBeRefused(t, user, node.ClientURL())
		clients.Wait()
		mustBeRefused(t, user, node.ClientURL()) // nor did a slow one bring the older claims back
	}
}

// The stock server lets clients in that come while the account is half made.
func TestFirstUseByManyRevokedClientsLetsNobodyIn(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	var in sync.Map
	for range 40 {
		account := cluster.Control.NewAccount("acme")
		user := account.Issue("app")
		node.WaitApplied(account.Revoke(user.Key))
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				if nc, err := user.Dial(node.ClientURL()); err == nil {
					in.Store(nc, true)
					nc.Close()
				}
			})
		}
		clients.Wait()
	}
	in.Range(func(any, any) bool {
		t.Error("a revoked client was let in")
		return true
	})
}

func TestBrokerThatNeverAnswersHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	_, key := brokertest.NewUserSeed(t)
	cluster.Control.Seat(string(key), "nats://"+silent.Addr().String())
	conn, err := silent.Accept() // the hub is trying
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	start := time.Now()
	revision := cluster.Control.NewAccount("acme").Change(nil)
	if took := time.Since(start); took > time.Second {
		t.Errorf("publishing took %s", took)
	}
	cluster.WaitApplied(revision)
	var silentOnes int
	for _, s := range cluster.Control.Hub().Status() {
		if s.Cluster == string(key) && !s.Connected {
			silentOnes++
		}
	}
	if silentOnes != 1 {
		t.Errorf("status = %+v, want the silent broker shown as not connected", cluster.Control.Hub().Status())
	}
}

func TestTwoControlsServeTheSameBrokers(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	cluster.Control.StartSecondHub()
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	nc := user.Connect(t, node.ClientURL())
	cluster.Control.StopHub() // the second goes on
	node.WaitApplied(account.Revoke(user.Key))
	brokertest.WaitClosed(t, nc)
}

func TestGarbageOnTheSystemAccountHarmsNobody(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	admin := cluster.Control.SystemCreds().Connect(t, node.ClientURL())
	huge := `{"revision":9223372036854775807,"since":9223372036854775807,"applied":9223372036854775807,"broker":"U"}`
	for _, subject := range []string{
		resolver.SubjectUpdate, resolver.SubjectHead, resolver.SubjectCatchUp, resolver.SubjectApplied,
		"$SYS.REQ.ACCOUNT." + string(account.Key) + ".CLAIMS.LOOKUP", "$SYS.REQ.ACCOUNT.nobody.CLAIMS.LOOKUP",
	} {
		for _, payload := range []string{"", "{", "null", "[]", `{"revision":-1,"since":-1}`, huge, "eyJ.eyJ.x", strings.Repeat("x", 500_000)} {
			for _, revision := range []string{"", "0", "-1", "9223372036854775807", "x"} {
				m := nats.NewMsg(subject)
				m.Header.Set(resolver.HeaderRevision, revision)
				m.Header.Set(resolver.HeaderPrevious, "1")
				m.Header.Set(resolver.HeaderAccount, payload[:min(len(payload), 100)])
				m.Data = []byte(payload)
				if err := admin.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := admin.FlushTimeout(brokertest.Patience); err != nil {
		t.Fatal(err)
	}
	user := account.Issue("app")
	nc := user.Connect(t, node.ClientURL())
	node.WaitApplied(account.Revoke(user.Key))
	brokertest.WaitClosed(t, nc)
	node.WaitCaughtUp()
}

func TestControlCanAskWhoIsConnected(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	account, other := cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
	account.Change(nil)
	cluster.WaitApplied(other.Change(nil))
	user := account.Issue("app")
	for _, node := range cluster.Nodes {
		user.Connect(t, node.ClientURL(), nats.Name("on "+node.Name))
		other.Issue("app").Connect(t, node.ClientURL())
	}

	answers, err := cluster.Control.Hub().Connections(patience(t), brokertest.OperatorID, string(account.Key), 10, 3)
	if err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, a := range answers {
		for _, c := range a.Connections {
			if c.User != user.Key || c.ClientType != "nats" {
				t.Errorf("connection = %+v, want the user's over NATS", c)
			}
			got = append(got, a.Broker+": "+c.Name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"broker-1: on broker-1", "broker-2: on broker-2", "broker-3: on broker-3"}, got); diff != "" {
		t.Errorf("connections: -want +got\n%s", diff)
	}
}

func TestHubTellsWhichBrokersItReaches(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	status := func() resolver.LinkStatus {
		all := cluster.Control.Hub().Status()
		if len(all) != 1 {
			t.Fatalf("links = %d, want 1", len(all))
		}
		return all[0]
	}
	if got := status(); !got.Connected || got.Cluster != node.PublicKey() || got.Since.IsZero() {
		t.Errorf("status = %+v, want connected to %s", got, node.PublicKey())
	}

	account, key := cluster.Control.NewAccount("acme"), node.PublicKey()
	node.Stop()
	err := cluster.Control.Hub().Publish(t.Context(), brokertest.OperatorID, 0, resolver.Entry{Account: string(account.Key), Revision: 1}, true)
	for err == nil { // until the hub has noticed
		err = cluster.Control.Hub().Publish(t.Context(), brokertest.OperatorID, 0, resolver.Entry{Account: string(account.Key), Revision: 1}, true)
	}
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), key) {
		t.Errorf("publish = %v, want it to name the cluster as unavailable", err)
	}
}

func BenchmarkRevokeUntilClosedEverywhere(b *testing.B) {
	cluster := brokertest.Start(b, 3)
	for b.Loop() {
		b.StopTimer()
		account := cluster.Control.NewAccount("acme")
		user := account.Issue("app")
		cluster.WaitApplied(account.Change(nil))
		var clients []*nats.Conn
		for _, node := range cluster.Nodes {
			clients = append(clients, user.Connect(b, node.ClientURL()))
		}
		b.StartTimer()
		revision := account.Revoke(user.Key)
		for _, nc := range clients {
			brokertest.WaitClosed(b, nc)
		}
		cluster.WaitApplied(revision)
	}
}
