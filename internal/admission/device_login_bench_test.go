package admission_test

import (
	"crypto/rand"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// BenchmarkBesideManyDeviceLogins is what others notice of an account with 100,000
// device logins: clients of another account log in, and another account's change comes into
// force, before there are such, while the broker holds them, and right behind a change of one of
// them or of one of a few. It also says what these cost the broker.
func BenchmarkBesideManyDeviceLogins(b *testing.B) {
	const crowd = 100_000
	cluster := brokertest.Start(b, 1)
	node := cluster.Nodes[0]
	other, many := cluster.Control.NewAccount("other"), cluster.Control.NewAccount("many")
	node.WaitApplied(other.Change(nil))
	client := other.Issue("client")
	client.Connect(b, node.ClientURL()) // so that the account is in use
	login := func(b *testing.B) {
		for b.Loop() {
			nc, err := client.Dial(node.ClientURL(), nats.SetCustomDialer(abortive{}))
			if err != nil {
				b.Fatal(err)
			}
			nc.Close()
		}
	}
	change := func(b *testing.B) {
		for b.Loop() {
			node.WaitApplied(other.Change(nil))
		}
	}

	secret, known := many.NewSecret(), many.NewLogin("device")
	known.Digest = secret.Digest()
	logins := append(randomLogins(b, known, crowd-1), known)
	var pages []claims.PageHash
	bytes := 0
	for start := 0; start < len(logins); start += claims.MaxPageLogins {
		page := keptPage(b, cluster, logins[start:min(start+claims.MaxPageLogins, len(logins))])
		pages, bytes = append(pages, page.Hash()), bytes+len(page.Bytes())
	}
	logins = nil

	b.Run("login/alone", login)
	b.Run("change/alone", change)

	before, start := heap(), time.Now()
	node.WaitApplied(many.Change(func(c *claims.Account) { c.Logins = pages }))
	applied, stored := time.Since(start), heap()
	b.Run("login/beside those stored", login)

	start = time.Now()
	nc, err := nats.Connect(node.ClientURL(), nats.Token(secret.Reveal()), nats.NoReconnect(), nats.Timeout(brokertest.Patience))
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	first, used := time.Since(start), heap()
	b.Run("login/beside those in use", login)
	b.Run("change/beside those in use", change)

	few := cluster.Control.NewAccount("few")
	next := randomLogins(b, known, 5_000)
	for name, of := range map[string]struct {
		account *brokertest.Account
		others  []claims.PageHash
	}{"a login of a few": {few, nil}, "a login of those": {many, pages}} {
		oneMore := func() resolver.Revision {
			page := keptPage(b, cluster, next[:1])
			next = next[1:]
			return of.account.Change(func(c *claims.Account) { c.Logins = append([]claims.PageHash{page.Hash()}, of.others...) })
		}
		b.Run("change/"+name, func(b *testing.B) {
			for b.Loop() {
				node.WaitApplied(oneMore())
			}
		})
		b.Run("change/behind "+name, func(b *testing.B) {
			for b.Loop() {
				oneMore()
				node.WaitApplied(other.Change(nil))
			}
		})
	}
	b.Logf("%d logins are %d pages of %d bytes together, and a JWT of %d; in force in %s, the first login in %s; heap %d bytes a login stored, %d in use",
		crowd, len(pages), bytes, len(many.Edit(nil)), applied.Round(time.Millisecond), first.Round(time.Millisecond), (stored-before)/crowd, (used-before)/crowd)
}

// randomLogins are like the one, with keys that nobody has.
func randomLogins(b *testing.B, like claims.DeviceLogin, n int) []claims.DeviceLogin {
	b.Helper()
	logins := make([]claims.DeviceLogin, n)
	for i := range logins {
		raw := make([]byte, 32)
		rand.Read(raw)
		key, err := nkeys.Encode(nkeys.PrefixByteUser, raw)
		if err != nil {
			b.Fatal(err)
		}
		logins[i] = like
		logins[i].User, logins[i].Digest = claims.UserKey(key), claims.NkeyDigest(claims.UserKey(key))
	}
	return logins
}

// keptPage is a page of these logins, which control gives to whoever asks.
func keptPage(b *testing.B, cluster *brokertest.Cluster, logins []claims.DeviceLogin) claims.LoginPage {
	b.Helper()
	page, err := claims.EncodeLoginPage(logins)
	if err != nil {
		b.Fatal(err)
	}
	cluster.Control.KeepPage(page)
	return page
}

// heap is how much memory is in use, what the tests' control holds included.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
