package tenants

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// asker is a broker as the ledger sees it.
type asker struct {
	w   *world
	key claims.UserKey
	lease.Ask
}

func (w *world) asker(name string) *asker {
	key := w.broker(name).PublicKey
	return &asker{w: w, key: key, Ask: lease.Ask{Broker: string(key), Incarnation: 1}}
}

func (a *asker) ask(wants ...lease.Want) (lease.Answer, []lease.Recall) {
	a.w.t.Helper()
	a.Sequence++
	a.Wants = wants
	answer, recalls, err := a.w.LeaseShares(a.w.t.Context(), a.w.operator.ID, a.Ask)
	if err != nil {
		a.w.t.Fatal(err)
	}
	return answer, recalls
}

// take asks for n places of a bucket of which the broker holds some.
func (a *asker) take(k lease.Key, holds, n int64) lease.Grant {
	a.w.t.Helper()
	answer, _ := a.ask(lease.Want{Key: k, Holds: holds, Need: n, Want: n})
	return answer.Grants[0]
}

// limited makes the account have so many connections of a type at most.
func (w *world) limited(of Account, counts map[claims.ConnectionType]int64) {
	w.t.Helper()
	must(w.UpdateAccount(w.t.Context(), w.owner, of.ID, "", func(spec *AccountSpec) error {
		spec.Settings.ConnectionsPerType = counts
		return nil
	}))(w.t)
}

func (w *world) stored(query string) int64 {
	w.t.Helper()
	return must(value[int64](w.t.Context(), w.pool, query, nil))(w.t)
}

func TestPlacesAreGivenOnlyAsFarAsOthersLeaveThem(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 10})
	b1, b2 := w.asker("b1"), w.asker("b2")
	mqtt := lease.TypeKey(string(w.account.PublicKey), "MQTT")

	if got := b1.take(mqtt, 0, 7); got.Places != 7 || !got.Final {
		t.Errorf("the first broker got %+v, want 7", got)
	}
	short, recalls := b2.ask(lease.Want{Key: mqtt, Need: 5, Want: 5})
	if got := short.Grants[0]; got.Places != 3 || got.Final || len(recalls) != 1 {
		t.Errorf("the second got %+v with %d recalls, want 3 for now and one recall", got, len(recalls))
	}
	b1.ask(lease.Want{Key: mqtt, Holds: 4, Need: 4, Want: 4, Seen: recalls[0].Number})
	again, _ := b2.ask(lease.Want{Key: mqtt, Holds: 3, Need: 5, Want: 5, After: short.Grants[0].After})
	if got := again.Grants[0]; got.Places != 5 || !got.Final {
		t.Errorf("after the recall the second got %+v, want 5", got)
	}

	other := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "other"}))(t)
	if got := b2.take(lease.TypeKey(string(other.PublicKey), "MQTT"), 0, 5); got.Places < 5 {
		t.Errorf("of an account without that limit it got %+v", got)
	}
	nobody := must(must(claims.NewAccountSeed())(t).AccountKey())(t)
	if got := b2.take(lease.TypeKey(string(nobody), "MQTT"), 0, 5); got.Places != 0 || !got.Final {
		t.Errorf("of an account that does not exist it got %+v", got)
	}
	if got := b2.take(lease.TypeKey(string(other.PublicKey), "MQTT"), 0, 0); got.Places != 0 {
		t.Errorf("after giving back it has %+v", got)
	}
	if buckets := w.stored("SELECT count(*) FROM connection_buckets"); buckets != 1 {
		t.Errorf("%d buckets are stored, want the one of which somebody holds something", buckets)
	}
}

func TestOldAsksChangeNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 10})
	mqtt := lease.TypeKey(string(w.account.PublicKey), "MQTT")
	b1, b2 := w.asker("b1"), w.asker("b2")
	b1.take(mqtt, 0, 8)
	b1.take(mqtt, 2, 2)
	b1.Sequence = 0 // the first comes again
	if answer, _ := b1.ask(lease.Want{Key: mqtt, Need: 8, Want: 8}); answer.Incarnation != 1 || len(answer.Grants) != 0 {
		t.Errorf("a repeated ask was answered: %+v", answer)
	}
	if got := b2.take(mqtt, 0, 8); got.Places != 8 {
		t.Errorf("the other broker got %+v, want 8", got)
	}

	b2.Incarnation, b2.Sequence = 2, 0
	b2.ask()
	b1.Sequence = 10
	if got := b1.take(mqtt, 2, 10); got.Places != 10 {
		t.Errorf("after the other broker's restart: %+v, want all 10", got)
	}
	b2.Incarnation = 1
	if answer, _ := b2.ask(lease.Want{Key: mqtt, Need: 8, Want: 8}); answer.Incarnation != 2 {
		t.Errorf("an ask from before the restart was answered: %+v", answer)
	}
}

// A broker that came back begins with nothing even when another is being
// answered just then, who was told what it held before.
func TestRestartFreesPlacesWhileAnotherBrokerIsAnswered(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 10})
	mqtt := lease.TypeKey(string(w.account.PublicKey), "MQTT")
	b1, b2 := w.asker("b1"), w.asker("b2")
	b1.take(mqtt, 0, 6)
	b2.take(mqtt, 0, 4)

	held := must(w.pool.Begin(t.Context()))(t)
	defer held.Rollback(context.WithoutCancel(t.Context()))
	must(held.Exec(t.Context(), "SELECT FROM connection_shares WHERE broker_key = $1 FOR UPDATE", b2.key))(t)
	var answering sync.WaitGroup
	answering.Go(func() { b2.take(mqtt, 4, 10) })
	w.waitForLock("connection_shares") // it has read the ledger, and cannot write what its own broker holds
	b1.Incarnation, b1.Sequence = 2, 0
	b1.ask()
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	answering.Wait()

	if got := b2.take(mqtt, 4, 10); got.Places != 10 {
		t.Errorf("after the other broker's restart: %+v, want all 10", got)
	}
}

// Brokers ask two replicas for many buckets at once, in any order: nobody waits
// for anybody for ever, and no bucket is ever given away twice.
func TestLedgerHoldsUnderConcurrentAsks(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const limit = 20
	w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": limit, "STANDARD": limit, "WEBSOCKET": limit})
	replicas := []*Service{w.Service, New(w.pool, w.keys)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var brokers sync.WaitGroup
	for i := range 4 {
		a := w.asker(fmt.Sprint("b", i))
		brokers.Go(func() {
			holds := map[string]int64{}
			for range 60 {
				var wants []lease.Want
				for _, kind := range rand.Perm(3) {
					k := lease.TypeKey(string(w.account.PublicKey), []string{"MQTT", "STANDARD", "WEBSOCKET"}[kind])
					need := rand.Int64N(limit)
					holds[k.Name] = min(holds[k.Name], need)
					wants = append(wants, lease.Want{Key: k, Holds: holds[k.Name], Need: need, Want: need + 2})
				}
				a.Sequence++
				a.Wants = wants
				answer, _, err := replicas[rand.IntN(2)].LeaseShares(ctx, w.operator.ID, a.Ask)
				if err != nil {
					t.Error(err)
					return
				}
				for i, g := range answer.Grants {
					holds[wants[i].Name] = g.Places
				}
				over, err := value[int64](ctx, w.pool, `
					SELECT count(*)
					FROM (
						SELECT bucket
						FROM connection_shares
						GROUP BY bucket
						HAVING sum(granted) > 20
					) AS over`, nil)
				if err != nil || over != 0 {
					t.Errorf("%d buckets are given away more than once (%v)", over, err)
					return
				}
			}
		})
	}
	brokers.Wait()
}

func TestLoweredLimitIsSharedOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 12})
	mqtt := lease.TypeKey(string(w.account.PublicKey), "MQTT")
	askers := []*asker{w.asker("b1"), w.asker("b2"), w.asker("b3")}
	for _, a := range askers {
		a.take(mqtt, 0, 4)
	}
	holds := int64(4)
	for _, each := range []int64{2, 1} {
		w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 3 * each})
		var first lease.Answer
		var recalls []lease.Recall
		for len(recalls) == 0 { // the last was just now
			first, recalls = askers[0].ask(lease.Want{Key: mqtt, Holds: holds, Need: holds, Want: holds})
			if got := first.Grants[0]; got.Final || got.Places != holds {
				t.Fatalf("before the others have given back what they do not use: %+v", got)
			}
		}
		answered := lease.Want{Key: mqtt, Holds: holds, Need: holds, Want: holds, Seen: recalls[0].Number, After: first.Grants[0].After}
		for i, a := range askers {
			for _, other := range askers { // all have answered the recall
				other.ask(answered)
			}
			answer, _ := a.ask(answered)
			if got := answer.Grants[0]; got.Places != each || !got.Final {
				t.Errorf("of %d places broker %d is to come down to %+v, want %d", 3*each, i+1, got, each)
			}
		}
		holds = each
		for _, a := range askers {
			a.take(mqtt, holds, holds)
		}
	}
}

func TestPeersAreThoseOfTheClusterThatAreHeard(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b1, b2 := w.asker("b1"), w.asker("b2")
	b1.ask()
	answer, _ := b2.ask()
	if len(answer.Peers) != 1 || answer.Peers[0] != string(b1.key) {
		t.Errorf("peers = %v, want the other", answer.Peers)
	}
	if _, err := w.pool.Exec(t.Context(), "UPDATE lease_brokers SET heard_at = heard_at - interval '20 seconds' WHERE broker_key = $1", b1.key); err != nil {
		t.Fatal(err)
	}
	if answer, _ := b2.ask(); len(answer.Peers) != 0 {
		t.Errorf("peers = %v, want none that is silent", answer.Peers)
	}
	b1.ask()
	if _, err := w.pool.Exec(t.Context(), "UPDATE brokers SET cluster = 'elsewhere' WHERE public_key = $1", b1.key); err != nil {
		t.Fatal(err)
	}
	if answer, _ := b2.ask(); len(answer.Peers) != 0 {
		t.Errorf("peers = %v, want none of another cluster", answer.Peers)
	}
}

// A broker that is silent loses its places when a peer that it knows has been
// heard all the while, and not before.
func TestSilentBrokersPlacesAreFreedWhereAPeerIsHeard(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.limited(w.account, map[claims.ConnectionType]int64{"MQTT": 4})
	mqtt := lease.TypeKey(string(w.account.PublicKey), "MQTT")
	gone, peer := w.asker("b1"), w.asker("b2")
	peer.ask()
	gone.Peers = []string{string(peer.key)}
	gone.take(mqtt, 0, 4)
	age := func(broker claims.UserKey, silent, steady string) {
		t.Helper()
		_, err := w.pool.Exec(t.Context(), "UPDATE lease_brokers SET heard_at = now() - $2::interval, steady_since = now() - $3::interval WHERE broker_key = $1", broker, silent, steady)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name                   string
		silent, steady, hearty string
		want                   int64
	}{
		{"silent for less than it takes", "28 seconds", "1 hour", "1 hour", 0},
		{"its peer was away meanwhile", "1 hour", "1 hour", "20 seconds", 0},
		{"silent where its peer is heard", "31 seconds", "1 hour", "32 seconds", 2},
	} {
		age(gone.key, c.silent, c.steady)
		age(peer.key, "1 second", c.hearty)
		if got := peer.take(mqtt, 0, 2); got.Places != c.want {
			t.Errorf("%s: the peer got %+v, want %d", c.name, got, c.want)
		}
	}
	back, _ := gone.ask(lease.Want{Key: mqtt, Holds: 4, Need: 4, Want: 4})
	if got := back.Grants[0]; got.Places != 2 || !got.Final {
		t.Errorf("back again, it holds %+v, want the 2 that are left", got)
	}
}
