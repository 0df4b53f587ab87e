package resolver_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// paged publishes the account with these pages.
func paged(a *brokertest.Account, pages ...claims.PageHash) resolver.Revision {
	return a.Change(func(c *claims.Account) { c.Pages = pages })
}

// pageFiles are the names of the pages that a broker has of an account.
func pageFiles(t *testing.T, node *brokertest.Node, account claims.AccountKey) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(node.Dir, "revocations", string(account), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	return paths
}

func pagePath(node *brokertest.Node, account claims.AccountKey, hash claims.PageHash) string {
	return filepath.Join(node.Dir, "revocations", string(account), string(hash))
}

func TestRevocationInAPageIsInForceEverywhere(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 2)
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	gone, early, kept := account.Issue("gone"), account.Issue("early"), account.Issue("kept")
	var leaving, staying []*nats.Conn
	for _, node := range cluster.Nodes {
		leaving = append(leaving, gone.Connect(t, node.ClientURL()))
		staying = append(staying, kept.Connect(t, node.ClientURL()))
	}
	_, stranger := brokertest.NewUserSeed(t)
	page := cluster.Control.PutPage(stranger, gone.Key, early.Key)

	cluster.WaitApplied(paged(account, page))

	for i, node := range cluster.Nodes {
		brokertest.WaitClosed(t, leaving[i])
		mustBeRefused(t, gone, node.ClientURL())
		mustBeRefused(t, early, node.ClientURL())
		if staying[i].IsClosed() {
			t.Errorf("%s: who is not revoked was closed", node.Name)
		}
		letIn(t, kept, node.ClientURL())
	}
}

// Moving a revocation into a page is no change for anybody.
func TestRevocationThatMovesToAPageClosesNothing(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account := cluster.Nodes[0], cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	gone, kept := account.Issue("gone"), account.Issue("kept")
	client := kept.Connect(t, node.ClientURL())
	was := gone.Connect(t, node.ClientURL())
	cluster.WaitApplied(account.Revoke(gone.Key))
	brokertest.WaitClosed(t, was)

	page := cluster.Control.PutPage(gone.Key)
	revision := account.Change(func(c *claims.Account) { c.Revoked, c.Pages = nil, []claims.PageHash{page} })
	node.WaitApplied(revision)

	mustBeRefused(t, gone, node.ClientURL())
	if client.IsClosed() {
		t.Error("a client that nobody revoked was closed")
	}
	cluster.Control.WaitFor(patience(t), "the receipt", func() bool { return cluster.Control.Applied(node.PublicKey()) >= revision })
	for _, effect := range cluster.Control.Reported(node.PublicKey()).Effects {
		if effect.Revision == revision && effect.Closed != 0 {
			t.Errorf("moving a revocation closed %d connections", effect.Closed)
		}
	}
}

func TestChangeIsNotAcceptedWithoutItsPages(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account, other := cluster.Nodes[0], cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
	cluster.WaitApplied(account.Change(nil))
	gone := account.Issue("gone")
	client := gone.Connect(t, node.ClientURL())
	page := cluster.Control.PutPage(gone.Key)
	content := cluster.Control.LosePage(page)

	refused := paged(account, page)

	cluster.Control.WaitFor(patience(t), "the refusal", func() bool {
		standing := cluster.Control.Standing(node.PublicKey())
		return len(standing) == 1 && standing[0].Account == string(account.Key) && standing[0].Revision == refused &&
			strings.Contains(standing[0].Reason, string(page))
	})
	node.WaitApplied(other.Change(nil)) // it holds up nobody else
	letIn(t, other.Issue("app"), node.ClientURL())
	if client.IsClosed() {
		t.Error("what was refused is in force")
	}

	cluster.Control.KeepPage(content)
	brokertest.WaitClosed(t, client) // without another change
	mustBeRefused(t, gone, node.ClientURL())
	cluster.Control.WaitFor(patience(t), "the refusal's end", func() bool { return len(cluster.Control.Standing(node.PublicKey())) == 0 })
}

func TestPageThatHasBeenReplacedDoesNotHoldUpTheChangeThatReplacesIt(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account := cluster.Nodes[0], cluster.Control.NewAccount("acme")
	gone := account.Issue("gone")
	cluster.WaitApplied(account.Change(nil))
	replaced := cluster.Control.PutPage(gone.Key)
	cluster.Control.LosePage(replaced)
	_, stranger := brokertest.NewUserSeed(t)
	paged(account, replaced)
	node.WaitApplied(paged(account, cluster.Control.PutPage(gone.Key, stranger)))
	mustBeRefused(t, gone, node.ClientURL())
	cluster.Control.WaitFor(patience(t), "no refusal to stand", func() bool { return len(cluster.Control.Standing(node.PublicKey())) == 0 })
}

// spoil returns ways for a page's file to be no good.
func spoil(t *testing.T) map[string]func(path string) error {
	return map[string]func(string) error{
		"lost":    os.Remove,
		"cut off": func(path string) error { return os.Truncate(path, 17) },
		"another": func(path string) error {
			_, stranger := brokertest.NewUserSeed(t)
			page, err := claims.EncodeRevocationPage(map[claims.UserKey]time.Time{stranger: time.Now()})
			if err != nil {
				return err
			}
			return os.WriteFile(path, page.Bytes(), 0o600)
		},
		"flipped": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)-1] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
	}
}

func TestDamagedPageIsFetchedAgain(t *testing.T) {
	t.Parallel()
	for name, damage := range spoil(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := brokertest.Start(t, 1)
			node, account := cluster.Nodes[0], cluster.Control.NewAccount("acme")
			gone, kept := account.Issue("gone"), account.Issue("kept")
			page := cluster.Control.PutPage(gone.Key)
			node.WaitApplied(paged(account, page))
			node.Stop()
			if err := damage(pagePath(node, account.Key, page)); err != nil {
				t.Fatal(err)
			}
			node.Start()
			mustBeRefused(t, gone, node.ClientURL())
			letIn(t, kept, node.ClientURL())
			if diff := cmp.Diff([]string{string(page)}, pageFiles(t, node, account.Key)); diff != "" {
				t.Errorf("pages on disk (-want +got):\n%s", diff)
			}
		})
	}
}

// Without a page nobody knows who is revoked.
func TestBrokerAloneWithADamagedPageLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for name, damage := range spoil(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := brokertest.Start(t, 1)
			node, account, other := cluster.Nodes[0], cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
			gone, kept := account.Issue("gone"), account.Issue("kept")
			page := cluster.Control.PutPage(gone.Key)
			other.Change(nil)
			node.WaitApplied(paged(account, page))
			node.Stop()
			cluster.Control.StopHub()
			if err := damage(pagePath(node, account.Key, page)); err != nil {
				t.Fatal(err)
			}
			node.Start()
			letIn(t, other.Issue("app"), node.ClientURL())
			mustBeRefused(t, gone, node.ClientURL())
			mustBeRefused(t, kept, node.ClientURL())

			cluster.Control.StartHub()
			letIn(t, kept, node.ClientURL())
			mustBeRefused(t, gone, node.ClientURL())
		})
	}
}

// A page that was whole when it was written, and is not when somebody first needs it.
func TestPageThatIsSpoiledWhileTheBrokerRunsIsMissed(t *testing.T) {
	t.Parallel()
	for name, damage := range spoil(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := brokertest.Start(t, 1)
			node, account, other := cluster.Nodes[0], cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("other")
			gone, kept := account.Issue("gone"), account.Issue("kept")
			page := cluster.Control.PutPage(gone.Key)
			other.Change(nil)
			node.WaitApplied(paged(account, page))
			cluster.Control.StopHub()
			if err := damage(pagePath(node, account.Key, page)); err != nil {
				t.Fatal(err)
			}
			mustBeRefused(t, gone, node.ClientURL())
			mustBeRefused(t, kept, node.ClientURL())
			letIn(t, other.Issue("app"), node.ClientURL())

			cluster.Control.StartHub()
			letIn(t, kept, node.ClientURL())
			mustBeRefused(t, gone, node.ClientURL())
		})
	}
}

func TestRestartedBrokerKnowsItsPagesWithoutControl(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account := cluster.Nodes[0], cluster.Control.NewAccount("acme")
	gone, kept := account.Issue("gone"), account.Issue("kept")
	node.WaitApplied(paged(account, cluster.Control.PutPage(gone.Key)))
	node.Stop()
	cluster.Control.StopHub()
	node.Start()
	letIn(t, kept, node.ClientURL())
	mustBeRefused(t, gone, node.ClientURL())
}

func TestPeersGiveOutThePagesTheyHave(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	node, account := cluster.Nodes[2], cluster.Control.NewAccount("acme")
	lost, missed, kept := account.Issue("lost"), account.Issue("missed"), account.Issue("kept")
	first := cluster.Control.PutPage(lost.Key)
	cluster.WaitApplied(paged(account, first))
	node.Stop()
	if err := os.Remove(pagePath(node, account.Key, first)); err != nil {
		t.Fatal(err)
	}
	nextSecond() // within one, a peer is not believed
	second := cluster.Control.PutPage(missed.Key)
	revision := paged(account, first, second)
	for _, up := range cluster.Nodes[:2] {
		up.WaitApplied(revision)
	}
	cluster.Control.StopHub()

	node.Start()
	mustBeRefused(t, lost, node.ClientURL())
	letIn(t, kept, node.ClientURL())
	if nc, err := missed.Dial(node.ClientURL()); err == nil { // until a peer has said so
		brokertest.WaitClosed(t, nc)
	}
	mustBeRefused(t, missed, node.ClientURL())
}

func TestAnswerThatIsNotThePageIsNotBelieved(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account := cluster.Nodes[0], cluster.Control.NewAccount("acme")
	gone := account.Issue("gone")
	node.WaitApplied(account.Change(nil))
	_, stranger := brokertest.NewUserSeed(t)
	harmless := cluster.Control.LosePage(cluster.Control.PutPage(stranger))
	content := cluster.Control.LosePage(cluster.Control.PutPage(gone.Key))
	admin := cluster.Control.SystemCreds().Connect(t, node.ClientURL())
	for _, subject := range []string{"signalbox.revocations.*", "signalbox.peers.revocations.*"} {
		_, err := admin.Subscribe(subject, func(m *nats.Msg) {
			for _, bad := range [][]byte{harmless.Bytes(), content.Bytes()[:len(content.Bytes())-1], []byte("x")} {
				_ = m.Respond(bad)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := admin.Flush(); err != nil {
		t.Fatal(err)
	}
	revision := paged(account, content.Name().Hash)
	cluster.Control.WaitFor(patience(t), "the refusal", func() bool {
		return slices.ContainsFunc(cluster.Control.Standing(node.PublicKey()), func(r resolver.Refusal) bool { return r.Revision == revision })
	})
	if files := pageFiles(t, node, account.Key); len(files) > 0 {
		t.Errorf("kept %q", files)
	}
	admin.Close()
	cluster.Control.KeepPage(content)
	cluster.Control.WaitFor(patience(t), "the page to be had", func() bool { return len(cluster.Control.Standing(node.PublicKey())) == 0 })
	mustBeRefused(t, gone, node.ClientURL())
}

func TestPagesGoWhenNobodyNamesThem(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account, deleted := cluster.Nodes[0], cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("deleted")
	one, two := cluster.Control.PutPage(account.Issue("one").Key), cluster.Control.PutPage(account.Issue("two").Key)
	node.WaitApplied(paged(account, one))
	node.WaitApplied(paged(account, one, two))
	node.WaitApplied(paged(account, two))
	if diff := cmp.Diff([]string{string(two)}, pageFiles(t, node, account.Key)); diff != "" {
		t.Errorf("pages on disk (-want +got):\n%s", diff)
	}
	node.WaitApplied(paged(deleted, two))
	node.WaitApplied(deleted.Delete())
	if files := pageFiles(t, node, deleted.Key); len(files) > 0 {
		t.Errorf("a deleted account's pages stay: %q", files)
	}

	node.Stop() // and what a crash may leave
	_, unknown := brokertest.NewAccountSeed(t)
	for _, path := range []string{pagePath(node, unknown, one), pagePath(node, account.Key, one), pagePath(node, account.Key, "half-1")} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, []byte("left"))
	}
	node.Start()
	if diff := cmp.Diff([]string{string(two)}, pageFiles(t, node, account.Key)); diff != "" {
		t.Errorf("pages on disk after a start (-want +got):\n%s", diff)
	}
	if files := pageFiles(t, node, unknown); len(files) > 0 {
		t.Errorf("pages that nobody names stay: %q", files)
	}
}

func TestCacheHasThePagesOfWhatItHolds(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account, unused := cluster.Nodes[0], cluster.Control.NewAccount("acme"), cluster.Control.NewAccount("unused")
	node.Stop()
	node.Store, node.CacheSize = "cache", "10"
	node.Start()
	gone, kept := account.Issue("gone"), account.Issue("kept")
	page := cluster.Control.PutPage(gone.Key)
	paged(unused, page)
	node.WaitApplied(paged(account, page))
	if files := append(pageFiles(t, node, account.Key), pageFiles(t, node, unused.Key)...); len(files) > 0 {
		t.Errorf("a cache that holds nothing has %q", files)
	}
	mustBeRefused(t, gone, node.ClientURL())
	client := kept.Connect(t, node.ClientURL())
	node.WaitApplied(paged(account, page, cluster.Control.PutPage(kept.Key)))
	brokertest.WaitClosed(t, client)
	if files := pageFiles(t, node, unused.Key); len(files) > 0 {
		t.Errorf("the cache has pages of an account that nobody uses: %q", files)
	}
}

// What an account names beside revocations travels, and is kept, as those do.
// Of 100,000 device logins, changing one sends the page that it is in.
func TestChangeOfOneOfManyLoginsSendsOnePage(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node, account := cluster.Nodes[0], cluster.Control.NewAccount("many")
	like := account.NewLogin("device")
	page := func(n int) claims.PageHash {
		logins := make([]claims.DeviceLogin, n)
		for i := range logins {
			raw := make([]byte, 32) // a key that nobody has
			rand.Read(raw)
			key, err := nkeys.Encode(nkeys.PrefixByteUser, raw)
			if err != nil {
				t.Fatal(err)
			}
			logins[i] = like
			logins[i].User, logins[i].Digest = claims.UserKey(key), claims.NkeyDigest(claims.UserKey(key))
		}
		page, err := claims.EncodeLoginPage(logins)
		if err != nil {
			t.Fatal(err)
		}
		cluster.Control.KeepPage(page)
		return page.Hash()
	}
	var closed []claims.PageHash
	for range 100_000 / claims.MaxPageLogins {
		closed = append(closed, page(claims.MaxPageLogins))
	}
	with := func(open claims.PageHash) func(*claims.Account) {
		return func(c *claims.Account) { c.Logins = append([]claims.PageHash{open}, closed...) }
	}
	cluster.WaitApplied(account.Change(with(page(1))))
	letIn(t, account.Issue("app"), node.ClientURL()) // so that it is in use
	before := cluster.Control.PagesAsked()
	cluster.WaitApplied(account.Change(with(page(1))))
	if n := cluster.Control.PagesAsked() - before; n != 1 {
		t.Errorf("the broker asked for %d pages", n)
	}
	if size := len(account.Edit(nil)); size > 8<<10 {
		t.Errorf("the JWT that the change sends has %d bytes", size)
	}
}

func TestPagesOfEveryKindAreHad(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 2)
	node, account := cluster.Nodes[0], cluster.Control.NewAccount("acme")
	gone, kept := account.Issue("gone"), account.Issue("kept")
	_, device := brokertest.NewUserSeed(t)
	logins, err := claims.EncodeLoginPage([]claims.DeviceLogin{{
		Digest: claims.NkeyDigest(device), User: device, Name: "device", Role: account.Key, IssuedAt: time.Now(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	trust, err := claims.EncodeTrustPage(claims.Trust{Issuers: []claims.TrustedIssuer{{
		URL: "https://issuer.example.org", Audiences: []string{"nats"}, Rules: []claims.TrustRule{{Role: account.Key, Name: "ci"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	cluster.Control.KeepPage(logins)
	cluster.Control.KeepPage(trust)
	revoked := cluster.Control.PutPage(gone.Key)
	cluster.WaitApplied(account.Change(func(c *claims.Account) {
		c.Pages, c.Logins, c.Trust = []claims.PageHash{revoked}, []claims.PageHash{logins.Hash()}, trust.Hash()
	}))
	want := []string{string(revoked), "logins-" + string(logins.Hash()), "trust-" + string(trust.Hash())}
	slices.Sort(want)
	for _, node := range cluster.Nodes {
		if diff := cmp.Diff(want, pageFiles(t, node, account.Key)); diff != "" {
			t.Errorf("%s: pages on disk (-want +got):\n%s", node.Name, diff)
		}
	}

	node.Stop()
	for _, name := range want {
		if err := os.Remove(filepath.Join(node.Dir, "revocations", string(account.Key), name)); err != nil {
			t.Fatal(err)
		}
	}
	cluster.Control.StopHub() // so that a peer has to help
	node.Start()
	letIn(t, kept, node.ClientURL())
	mustBeRefused(t, gone, node.ClientURL())
	if diff := cmp.Diff(want, pageFiles(t, node, account.Key)); diff != "" {
		t.Errorf("pages on disk, fetched anew (-want +got):\n%s", diff)
	}

	cluster.Control.StartHub()
	node.WaitApplied(account.Change(func(c *claims.Account) { c.Pages, c.Logins, c.Trust = nil, nil, "" }))
	if files := pageFiles(t, node, account.Key); len(files) > 0 {
		t.Errorf("pages that nobody names stay: %q", files)
	}
}
