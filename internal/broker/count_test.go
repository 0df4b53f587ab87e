package broker_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// dialer connects a client of one connection type; the client stays until it is closed.
type dialer func(t *testing.T, node *brokertest.Node, user brokertest.Credential) (closes func(), err error)

var dialers = map[claims.ConnectionType]dialer{
	"STANDARD": func(_ *testing.T, node *brokertest.Node, user brokertest.Credential) (func(), error) {
		return dialNATS(user, node.Endpoints().NATS[0])
	},
	"WEBSOCKET": func(_ *testing.T, node *brokertest.Node, user brokertest.Credential) (func(), error) {
		return dialNATS(user, node.Endpoints().WebSocket[0])
	},
	"MQTT": func(_ *testing.T, node *brokertest.Node, user brokertest.Credential) (func(), error) {
		client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(strings.Replace(node.Endpoints().MQTT[0], "mqtt://", "tcp://", 1)).
			SetClientID(fmt.Sprint("thing", things.Add(1))).SetUsername("app").SetPassword(user.JWT).
			SetConnectTimeout(brokertest.Patience).SetAutoReconnect(false).SetConnectRetry(false))
		token := client.Connect()
		if !token.WaitTimeout(brokertest.Patience) || token.Error() != nil {
			return nil, cmp.Or(token.Error(), fmt.Errorf("no answer"))
		}
		return func() { client.Disconnect(0) }, nil
	},
}

var things atomic.Int64

func dialNATS(user brokertest.Credential, url string) (func(), error) {
	nc, err := user.Dial(url)
	if err != nil {
		return nil, err
	}
	return nc.Close, nil
}

// connected is how many clients of the account the brokers have.
func connected(t *testing.T, account *brokertest.Account, nodes ...*brokertest.Node) (n int) {
	t.Helper()
	for _, node := range nodes {
		if node.Broker == nil {
			continue
		}
		list, err := node.Server().Connz(&server.ConnzOptions{Account: string(account.Key), Limit: 1000})
		if err != nil {
			t.Error(err)
			return 0
		}
		n += list.NumConns
	}
	return n
}

// watch samples how many clients there are until stop is called, which answers the most there were.
func watch(t *testing.T, account *brokertest.Account, nodes ...*brokertest.Node) (stop func() int) {
	var most int
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				most = max(most, connected(t, account, nodes...))
			}
		}
	}()
	return func() int { close(done); <-ended; return most }
}

// crowd has n clients dial at once, over the brokers in turn, and answers how to close those that got in.
func crowd(t *testing.T, n int, dial dialer, user brokertest.Credential, nodes ...*brokertest.Node) (in []func()) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			closes, err := dial(t, nodes[i%len(nodes)], user)
			if err != nil {
				return
			}
			t.Cleanup(closes)
			mu.Lock()
			defer mu.Unlock()
			in = append(in, closes)
		})
	}
	all.Wait()
	return in
}

func within(t *testing.T, most time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		<-tick.C
		if time.Since(began) > brokertest.Patience {
			t.Fatalf("never: %s", what)
		}
	}
	took := time.Since(began)
	if took > most {
		t.Errorf("%s: after %v, want %v at most", what, took, most)
	}
	return took
}

func TestExactlyAsManyConnectionsOfATypeAsAreAllowed(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	for kind, dial := range dialers {
		t.Run(string(kind), func(t *testing.T) {
			account := cluster.Control.NewAccount("acme")
			node.WaitApplied(account.Change(func(c *claims.Account) {
				c.Roles[0].Template.Bearer = kind == "MQTT"
				c.TypeConnections = map[claims.ConnectionType]int64{kind: 10}
			}))
			user := account.Issue("app")
			stop := watch(t, account, node)
			in := crowd(t, 60, dial, user, node)
			if most := stop(); len(in) != 10 || most > 10 {
				t.Errorf("%d of 60 got in, at one time %d, want 10", len(in), most)
			}
			if _, err := dial(t, node, user); err == nil {
				t.Error("the eleventh got in")
			}
			if got := node.Admission().Refused("type_limit"); got < 51 {
				t.Errorf("%d were refused for the limit on their type, want 51 at least", got)
			}
			in[0]()
			within(t, time.Second, "the place of one that ended is free", func() bool {
				closes, err := dial(t, node, user)
				if err != nil {
					return false
				}
				t.Cleanup(closes)
				return true
			})
		})
	}
}

func TestCountsHoldAcrossBrokers(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	for _, kind := range []claims.ConnectionType{"STANDARD", "WEBSOCKET"} {
		t.Run(string(kind), func(t *testing.T) {
			account := cluster.Control.NewAccount("acme")
			cluster.WaitApplied(account.Change(func(c *claims.Account) {
				c.TypeConnections = map[claims.ConnectionType]int64{kind: 10}
			}))
			user, dial := account.Issue("app"), dialers[kind]
			stop := watch(t, account, cluster.Nodes...)
			in := crowd(t, 60, dial, user, cluster.Nodes...)
			if len(in) != 10 {
				t.Errorf("%d of 60 got in, want 10", len(in))
			}
			for _, closes := range in {
				closes()
			}
			within(t, time.Second, "all are gone", func() bool { return connected(t, account, cluster.Nodes...) == 0 })

			first := crowd(t, 10, dial, user, cluster.Nodes[0])
			if len(first) != 10 {
				t.Fatalf("%d of 10 got in at the first broker", len(first))
			}
			if _, err := dial(t, cluster.Nodes[1], user); err == nil {
				t.Error("the eleventh got in at the second broker")
			}
			for _, closes := range first[:5] {
				closes()
			}
			var second []func()
			took := within(t, time.Second, "five places have moved", func() bool {
				second = append(second, crowd(t, 5-len(second), dial, user, cluster.Nodes[1])...)
				return len(second) == 5
			})
			t.Logf("five places moved in %v", took)
			if most := stop(); most > 10 {
				t.Errorf("at one time there were %d, want 10 at most", most)
			}
		})
	}
}

func TestConnectionsFollowWhatTheAccountAllows(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	crowd(t, 12, dialers["STANDARD"], user, cluster.Nodes...)
	webs := crowd(t, 3, dialers["WEBSOCKET"], user, cluster.Nodes...)
	if got := connected(t, account, cluster.Nodes...); got != 15 || len(webs) != 3 {
		t.Fatalf("%d connections, want 15", got)
	}

	account.Change(func(c *claims.Account) { c.TypeConnections = map[claims.ConnectionType]int64{"STANDARD": 9} })
	took := within(t, time.Second, "those beyond a limit that was not there have gone", func() bool { return connected(t, account, cluster.Nodes...) <= 12 })
	t.Logf("a new limit was in force after %v", took)
	account.Change(func(c *claims.Account) { c.TypeConnections["STANDARD"] = 4 })
	took = within(t, time.Second, "those beyond a lower limit have gone", func() bool { return connected(t, account, cluster.Nodes...) <= 7 })
	t.Logf("a lower limit was in force after %v", took)
	if got := connected(t, account, cluster.Nodes...); got < 7 {
		t.Errorf("%d are left, want all 7 that are allowed", got)
	}
	if extra := crowd(t, 6, dialers["STANDARD"], user, cluster.Nodes...); len(extra) != 0 {
		t.Errorf("%d more got in", len(extra))
	}
	account.Change(func(c *claims.Account) {
		c.ConnectionTypes, c.TypeConnections = []claims.ConnectionType{"STANDARD"}, nil
	})
	took = within(t, time.Second, "those of a type that is not allowed any more have gone", func() bool { return connected(t, account, cluster.Nodes...) <= 4 })
	t.Logf("withdrawing a type was in force after %v", took)
	if _, err := dialers["WEBSOCKET"](t, cluster.Nodes[0], user); err == nil {
		t.Error("a type that the account does not allow got in")
	}
	if got := cluster.Nodes[0].Admission().Refused("type_not_allowed"); got != 1 {
		t.Errorf("%d were refused for their type, want 1", got)
	}
	if extra := crowd(t, 6, dialers["STANDARD"], user, cluster.Nodes...); len(extra) != 6 {
		t.Errorf("without a limit %d of 6 got in", len(extra))
	}
}

// A limit that is new finds connections without places, and until they have them newcomers could get
// these elsewhere: so it counts as in force only then. What comes after it is in force meanwhile, though not proven.
func TestNewLimitIsInForceWhenThoseItFoundAreCounted(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 2)
	control, full, empty := cluster.Control, cluster.Nodes[0], cluster.Nodes[1]
	account, other := control.NewAccount("acme"), control.NewAccount("other")
	other.Change(nil)
	before := account.Change(nil)
	cluster.WaitApplied(before)
	user, leaver := account.Issue("app"), other.Issue("app")
	gone := leaver.Connect(t, full.ClientURL())
	found := crowd(t, 4, dialers["STANDARD"], user, full)

	release := control.HoldPlaces()
	limited := account.Change(func(c *claims.Account) { c.TypeConnections = map[claims.ConnectionType]int64{"STANDARD": 3} })
	revoked := other.Revoke(leaver.Key)
	brokertest.WaitClosed(t, gone)
	control.WaitFor(t.Context(), "the broker that found nobody to say that all is in force", func() bool { return control.Applied(empty.PublicKey()) == revoked })
	full.WaitApplied(revoked)
	for range 2 { // the first receipt may be from before
		reports := control.Reports(full.PublicKey())
		if err := control.Hub().Announce(t.Context(), brokertest.OperatorID); err != nil {
			t.Fatal(err)
		}
		control.WaitFor(t.Context(), "another receipt", func() bool { return control.Reports(full.PublicKey()) > reports })
	}
	if at := control.Applied(full.PublicKey()); at >= limited {
		t.Errorf("the broker that found %d says that %d is in force, and the limit came at %d", len(found), at, limited)
	}
	release()
	control.WaitFor(t.Context(), "all to be in force", func() bool { return control.Applied(full.PublicKey()) == revoked })
	if n := connected(t, account, full); n != 3 {
		t.Errorf("%d connections are there when the limit of 3 is said to be in force", n)
	}
	if extra := crowd(t, 2, dialers["STANDARD"], user, full, empty); len(extra) != 0 {
		t.Errorf("%d more got in", len(extra))
	}
}

func TestUsersHaveNoMoreConnectionsThanTheirCap(t *testing.T) {
	t.Parallel()
	for _, brokers := range []int{1, 3} {
		t.Run(fmt.Sprint("on ", brokers), func(t *testing.T) {
			t.Parallel()
			cluster := brokertest.Start(t, brokers)
			account := cluster.Control.NewAccount("acme")
			cluster.WaitApplied(account.Change(func(c *claims.Account) {
				c.RoleConnections = map[claims.AccountKey]int64{c.Roles[0].Key: 3}
			}))
			user, another := account.Issue("app"), account.Issue("other")
			second := account.Issue("app") // another credential of the same user
			stop := watch(t, account, cluster.Nodes...)
			in := crowd(t, 20, dialers["STANDARD"], user, cluster.Nodes...)
			if len(in) != 3 {
				t.Errorf("%d of 20 got in, want 3", len(in))
			}
			if more := crowd(t, 6, dialers["WEBSOCKET"], second, cluster.Nodes...); len(more) != 0 {
				t.Errorf("%d got in by another credential and type", len(more))
			}
			if others := crowd(t, 9, dialers["STANDARD"], another, cluster.Nodes...); len(others) != 3 {
				t.Errorf("%d of another user's 9 got in, want 3", len(others))
			}
			if most := stop(); most > 6 {
				t.Errorf("at one time there were %d of two users, want 6 at most", most)
			}

			account.Change(func(c *claims.Account) {
				c.Overrides = []claims.UserOverride{{Name: "app", Role: c.Roles[0].Key, Connections: 5}}
			})
			within(t, time.Second, "a cap of its own lets more in", func() bool {
				crowd(t, 5, dialers["STANDARD"], user, cluster.Nodes...)
				return connected(t, account, cluster.Nodes...) == 8
			})
			account.Change(func(c *claims.Account) { c.Overrides[0].Connections = 1 })
			within(t, time.Second, "a lower cap ends the others", func() bool { return connected(t, account, cluster.Nodes...) == 4 })
			if got := cluster.Nodes[0].Admission().Refused("user_limit"); got == 0 {
				t.Error("nobody was told that the user is at its cap")
			}
		})
	}
}

func TestControlsAbsenceLetsNoMoreInAndEndsNothing(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(func(c *claims.Account) { c.TypeConnections = map[claims.ConnectionType]int64{"STANDARD": 10} }))
	user := account.Issue("app")
	if in := crowd(t, 4, dialers["STANDARD"], user, cluster.Nodes[0]); len(in) != 4 {
		t.Fatalf("%d of 4 got in", len(in))
	}
	cluster.Control.StopHub()
	in := crowd(t, 30, dialers["STANDARD"], user, cluster.Nodes...)
	if got := connected(t, account, cluster.Nodes...); got < 4 || got > 10 {
		t.Errorf("%d connections without control, %d of them new, want 4 to 10", got, len(in))
	}
	var unavailable int64
	for _, node := range cluster.Nodes {
		unavailable += node.Admission().Refused("share_unavailable")
	}
	if want := int64(30 - len(in)); unavailable != want {
		t.Errorf("%d were refused because control was away, want %d", unavailable, want)
	}
	cluster.Control.StartHub()
	cluster.Control.StartSecondHub()
	within(t, 10*time.Second, "control is back and the rest gets in", func() bool {
		crowd(t, 3, dialers["STANDARD"], user, cluster.Nodes...)
		return connected(t, account, cluster.Nodes...) == 10
	})
	if more := crowd(t, 12, dialers["STANDARD"], user, cluster.Nodes...); len(more) != 0 {
		t.Errorf("%d more got in", len(more))
	}
}

func TestRestartedBrokersPlacesAreFree(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 3)
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(func(c *claims.Account) { c.TypeConnections = map[claims.ConnectionType]int64{"STANDARD": 3} }))
	user := account.Issue("app")
	if in := crowd(t, 3, dialers["STANDARD"], user, cluster.Nodes[0]); len(in) != 3 {
		t.Fatalf("%d of 3 got in", len(in))
	}
	cluster.Nodes[0].Stop()
	cluster.Nodes[0].Start()
	within(t, 10*time.Second, "its places are free", func() bool {
		crowd(t, 3, dialers["STANDARD"], user, cluster.Nodes[1])
		return connected(t, account, cluster.Nodes...) == 3
	})
}

// The first login of an account that counts asks control; those after it find places that it brought.
func TestLatencyOfCountedLogins(t *testing.T) {
	cluster := brokertest.Start(t, 3)
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	free := account.Issue("app")
	counted := cluster.Control.NewAccount("counted")
	cluster.WaitApplied(counted.Change(func(c *claims.Account) { c.TypeConnections = map[claims.ConnectionType]int64{"STANDARD": 1000} }))
	user := counted.Issue("app")
	login := func(who brokertest.Credential) time.Duration {
		began := time.Now()
		nc, err := who.Dial(cluster.Nodes[0].Endpoints().NATS[0], nats.Name("timed"))
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		t.Cleanup(nc.Close)
		return took
	}
	median := func(who brokertest.Credential) time.Duration {
		var all []time.Duration
		for range 101 {
			all = append(all, login(who))
		}
		slices.Sort(all)
		return all[50]
	}
	login(free)
	first := login(user)
	plain, with := median(free), median(user)
	t.Logf("first counted login %v; median of the next 101 %v, of an account without counts %v", first, with, plain)
	if with > plain+10*time.Millisecond {
		t.Errorf("a counted login takes %v, one that is not %v", with, plain)
	}
}

func TestLeafNodesAreCountedAndTheirPlacesComeFree(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(func(c *claims.Account) {
		c.TypeConnections = map[claims.ConnectionType]int64{"LEAFNODE": 1}
	}))
	user := account.Issue("edge")
	first := startLeaf(t, node.Endpoints().LeafNode[0], user)
	within(t, brokertest.Patience, "the first leaf node to be in", func() bool { return first.NumLeafNodes() == 1 })
	second := startLeaf(t, node.Endpoints().LeafNode[0], user)
	within(t, brokertest.Patience, "the second to be refused", func() bool { return node.Admission().Refused("type_limit") > 0 })
	if n := node.Server().NumLeafNodes(); n != 1 {
		t.Errorf("%d leaf nodes are in, want 1", n)
	}
	first.Shutdown()
	first.WaitForShutdown()
	within(t, 5*time.Second, "the second to have the place, which it asks for every second", func() bool { return second.NumLeafNodes() == 1 })
}
