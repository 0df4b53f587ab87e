package resolver_test

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// confirmed says that the one attached server has confirmed everything.
func confirmed(control *brokertest.Control) func(resolver.Ledger) bool {
	return func(l resolver.Ledger) bool {
		return l.Heard() && l.Applied() == control.Revision() && len(l.Refusals()) == 0
	}
}

func stored(t *testing.T, s *server.Server, account *brokertest.Account) string {
	t.Helper()
	token, err := s.AccountResolver().(*server.DirAccResolver).LoadAcc(string(account.Key))
	if err != nil {
		t.Error(err)
	}
	return token
}

func TestCourierGoesOnFromWhereTheLastOneCame(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s := stock(t, control, map[string]string{}, time.Minute, nil)
	account := control.NewAccount("acme")
	account.Change(nil)
	control.Attach(s.ClientURL())
	control.WaitLedger("the first change to be confirmed", confirmed(control))

	control.StopHub() // no replica leads
	var others []*brokertest.Account
	for i := range 230 { // more than two batches
		other := control.NewAccount(fmt.Sprint("other", i))
		other.Change(nil)
		others = append(others, other)
	}
	account.Change(func(c *claims.Account) { c.Limits.Connections = 7 })
	control.StartHub()
	control.WaitLedger("all of it to be confirmed", confirmed(control))
	for _, a := range append(others, account) {
		if got := stored(t, s, a); got != control.Entry(string(a.Key)).JWT {
			t.Errorf("account %s: it stores %.20s…, and confirmed another", a.Key, got)
		}
	}
}

func TestCourierStartsAgainWhenTheDatabaseIsOlder(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s := stock(t, control, map[string]string{}, time.Minute, nil)
	account := control.NewAccount("acme")
	for i := range 5 {
		account.Change(func(c *claims.Account) { c.Limits.Connections = int64(i) })
	}
	control.Attach(s.ClientURL())
	control.WaitLedger("everything to be confirmed", confirmed(control))
	control.Lose()
	account.Change(func(c *claims.Account) { c.Limits.Connections = 9 })
	control.WaitLedger("the first change of the restored database to be confirmed", confirmed(control))
	if got := stored(t, s, account); got != control.Entry(string(account.Key)).JWT {
		t.Errorf("it stores %.20s…, and confirmed another", got)
	}
}

// What is too big for a server is refused on its behalf. Of a server that
// refuses more than is kept, nothing counts as confirmed that was not before.
func TestRefusalsThatAreTooManyAreNotForgotten(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s := stock(t, control, map[string]string{}, time.Minute, nil, func(o *server.Options) { o.MaxPayload = 8 << 10 })
	many := map[claims.UserKey]time.Time{}
	for range 120 {
		_, key := brokertest.NewUserSeed(t)
		many[key] = time.Now()
	}
	var big []*brokertest.Account
	for i := range 101 {
		account := control.NewAccount(fmt.Sprint("big", i))
		account.Change(func(c *claims.Account) { maps.Copy(c.Revoked, many) })
		big = append(big, account)
	}
	small := control.NewAccount("small")
	small.Change(nil)
	control.Attach(s.ClientURL())
	control.WaitLedger("as many refusals as are kept", func(l resolver.Ledger) bool { return len(l.Refusals()) == 100 })
	l := control.Ledger()
	if l.Applied() >= control.Entry(string(big[100].Key)).Revision {
		t.Errorf("it counts as having confirmed %d, with a refusal that was not kept", l.Applied())
	}
	if r := l.Refusals()[0]; !strings.Contains(r.Reason, "max_payload is 8192") || r.Account != string(big[0].Key) {
		t.Errorf("refusal = %+v, want the first account's for its size", r)
	}
	for _, account := range big {
		account.Change(func(c *claims.Account) { clear(c.Revoked) })
	}
	control.WaitLedger("everything to be confirmed", confirmed(control))
	if got := stored(t, s, small); got != control.Entry(string(small.Key)).JWT {
		t.Errorf("it stores %.20s…, and confirmed another", got)
	}
}

// Somebody else pushes an older JWT of an account, in either form: a stock
// server takes it, and soon has the current one again.
func TestWhatOthersPushIsUndone(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s := stock(t, control, map[string]string{}, time.Minute, nil)
	account := control.NewAccount("acme")
	account.Change(nil)
	older := control.Entry(string(account.Key)).JWT
	control.Attach(s.ClientURL())
	control.WaitLedger("it to be confirmed", confirmed(control))
	account.Change(func(c *claims.Account) { c.Limits.Connections = 7 })
	control.WaitLedger("the edit to be confirmed", confirmed(control))

	nc := control.SystemCreds().Connect(t, s.ClientURL())
	pushes, err := nc.SubscribeSync("$SYS.REQ.ACCOUNT." + string(account.Key) + ".CLAIMS.UPDATE")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.ACCOUNT." + string(account.Key) + ".CLAIMS.UPDATE"} {
		answer, err := nc.Request(subject, []byte(older), brokertest.Patience)
		if err != nil || !strings.Contains(string(answer.Data), "jwt updated") {
			t.Fatalf("push on %s: %v, want the server to take it", subject, err)
		}
		for { // until the courier has pushed the current one
			m, err := pushes.NextMsg(brokertest.Patience)
			if err != nil {
				t.Fatalf("after a push on %s nobody pushed what should be there: %v", subject, err)
			}
			if string(m.Data) == control.Entry(string(account.Key)).JWT {
				break
			}
		}
		for end := time.Now().Add(brokertest.Patience); stored(t, s, account) != control.Entry(string(account.Key)).JWT; {
			if err := nc.Flush(); err != nil || time.Now().After(end) {
				t.Fatalf("after a push on %s it does not store the current claims: %v", subject, err)
			}
		}
	}
	control.WaitLedger("it to be confirmed again", confirmed(control))
}

// Servers that have no name of their own come back as others, and get
// everything: those before are forgotten.
func TestServersWithoutANameAreNewEachTime(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	control.NewAccount("acme").Change(nil)
	first := stock(t, control, map[string]string{}, time.Minute, nil)
	port := first.Addr().(*net.TCPAddr).Port
	control.Attach(first.ClientURL())
	control.WaitLedger("the first to confirm", confirmed(control))
	first.Shutdown()
	first.WaitForShutdown()
	control.WaitLedger("it to be forgotten", func(l resolver.Ledger) bool { return len(l.Servers) == 0 })
	second := stock(t, control, map[string]string{}, time.Minute, nil, func(o *server.Options) { o.Port = port })
	control.WaitLedger("the second to confirm", confirmed(control))
	if l := control.Ledger(); len(l.Servers) != 1 || l.Servers[0].ID != second.ID() {
		t.Errorf("ledger = %+v, want the second server alone", l)
	}
}

// A server that is there and answers no push holds the others up only now and
// then, and has confirmed nothing.
func TestSilentServerIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s := stock(t, control, map[string]string{}, time.Minute, nil)
	nc := control.SystemCreds().Connect(t, s.ClientURL())
	_, err := nc.Subscribe("$SYS.REQ.SERVER.PING", func(m *nats.Msg) {
		if err := m.Respond([]byte(`{"server":{"name":"mute","id":"N"}}`)); err != nil && !nc.IsClosed() {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	account := control.NewAccount("acme")
	account.Change(nil)
	control.Attach(s.ClientURL())
	confirmedBy := func(id string, least resolver.Revision) func(resolver.Ledger) bool {
		return func(l resolver.Ledger) bool {
			return slices.ContainsFunc(l.Servers, func(known resolver.StockServer) bool { return known.ID == id && known.Applied >= least })
		}
	}
	control.WaitLedger("both to be known, and one to confirm", func(l resolver.Ledger) bool {
		return len(l.Servers) == 2 && confirmedBy(s.ID(), 1)(l)
	})
	for range 20 { // more than there is time for if each waited
		revision := account.Change(nil)
		control.WaitLedger("the change to be confirmed by the server that answers", confirmedBy(s.ID(), revision))
	}
	if l := control.Ledger(); l.Applied() != 0 || len(l.Refusals()) != 0 {
		t.Errorf("ledger = %+v, want nothing confirmed for the silent server", l)
	}
}

// What a confused or hostile peer of the system account says about itself, or
// answers in others' place, must not stop the courier.
func TestCourierSurvivesNonsense(t *testing.T) {
	t.Parallel()
	control := brokertest.NewControl(t)
	s := stock(t, control, map[string]string{}, time.Minute, nil)
	nc := control.SystemCreds().Connect(t, s.ClientURL())
	for _, subject := range []string{"$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE", "$SYS.REQ.ACCOUNT.*.INFO"} {
		_, err := nc.Subscribe(subject, func(m *nats.Msg) {
			for _, nonsense := range []string{"", "nonsense", "[]", `{"server":null}`, `{"server":{"name":""}}`, `{"server":{"name":"nobody"},"error":{"code":500,"description":"no"}}`} {
				if err := m.Respond([]byte(nonsense)); err != nil && !nc.IsClosed() {
					t.Error(err)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	account := control.NewAccount("acme")
	revision := account.Change(nil)
	control.Attach(s.ClientURL())
	control.WaitLedger("the server to confirm, whatever the other says", func(l resolver.Ledger) bool {
		for _, known := range l.Servers {
			if known.ID == s.ID() && known.Applied == revision && len(known.Refusals) == 0 {
				return true
			}
		}
		return false
	})
}
