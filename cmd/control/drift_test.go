package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

type driftCheck struct {
	Clean    bool
	Repaired int
	Brokers  []struct {
		Broker                  string
		Stale, Missing, Foreign []string
		Error                   *string
	}
}

func (c *customer) checkDrift(operator resource, repair bool) driftCheck {
	c.t.Helper()
	var check driftCheck
	c.must("POST", "/v1/operators/"+operator.ID+"/drift-checks", map[string]any{"repair": repair}, &check)
	return check
}

// A broker's store is tampered with while it is down. The check names exactly
// what was done, and repairing undoes it.
func TestDriftIsNamedAndRepaired(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	s.unlimited()
	c := s.signUp("drifter")
	var accounts []resource
	for i := range 20 {
		var a resource
		c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": fmt.Sprint("a", i)}, &a)
		accounts = append(accounts, a)
	}
	stale, missing := accounts[3].PublicKey, accounts[11].PublicKey
	operator := c.asStaff(s)
	c.awaitInForce(accounts[19].ID)
	if check := c.checkDrift(operator, true); !check.Clean || check.Repaired != 0 {
		t.Fatalf("before anything happened: %+v", check)
	}
	seed, err := claims.NewAccountSeed()
	if err != nil {
		t.Fatal(err)
	}
	foreignKey, err := seed.AccountKey()
	if err != nil {
		t.Fatal(err)
	}
	foreign := string(foreignKey)
	s.broker.stop()
	s.tamper(operator.PublicKey, func(held map[string]resolver.Entry) {
		older := held[accounts[4].PublicKey].JWT
		const later = 1 << 20 // as after the database was restored from an older copy
		held[stale] = resolver.Entry{Account: stale, Revision: later, JWT: older}
		held[foreign] = resolver.Entry{Account: foreign, Revision: later, JWT: older}
		delete(held, missing)
	})
	s.startBroker()
	s.awaitBroker()
	eventually(t, "control to be connected again", func() error {
		if d := c.operatorDelivery(s); !d.Brokers[0].Connected {
			return fmt.Errorf("delivery = %+v", d)
		}
		return nil
	})

	check := c.checkDrift(operator, true)
	if check.Clean || check.Repaired != 3 || len(check.Brokers) != 1 {
		t.Fatalf("check = %+v, want three accounts repaired", check)
	}
	b := check.Brokers[0]
	if !slices.Equal(b.Stale, []string{stale}) || !slices.Equal(b.Missing, []string{missing}) || !slices.Equal(b.Foreign, []string{foreign}) {
		t.Errorf("check = %+v, want stale %s, missing %s, foreign %s", b, stale, missing, foreign)
	}
	eventually(t, "the drift to be repaired", func() error {
		if check := c.checkDrift(operator, false); !check.Clean {
			return fmt.Errorf("check = %+v", check)
		}
		return nil
	})
	c.account = accounts[3].ID
	c.inForce()
	mustConnect(t, s.nats, c.issue(c.user("back", "").ID).file)

	s.broker.kill()
	if check := c.checkDrift(operator, false); check.Clean || check.Brokers[0].Error == nil {
		t.Errorf("with the broker away: %+v, want it named as unchecked", check)
	}
}

// tamper writes the stopped broker's store anew, with what change makes of the
// accounts in it.
func (s *stack) tamper(operatorKey string, change func(held map[string]resolver.Entry)) {
	s.t.Helper()
	path := filepath.Join(s.dir, "broker", "accounts")
	store := s.openStore(path, operatorKey)
	held := map[string]resolver.Entry{}
	applied, err := store.Each("", func(e resolver.Entry) error {
		held[e.Account] = e
		return nil
	})
	if err := errors.Join(err, store.Close(), os.RemoveAll(path)); err != nil {
		s.t.Fatal(err)
	}
	if len(held) == 0 {
		s.t.Fatalf("there is no account in %s", path)
	}
	change(held)
	store = s.openStore(path, operatorKey)
	if err := store.Apply(resolver.Batch{Entries: slices.Collect(maps.Values(held)), AppliedTo: applied}); err != nil {
		s.t.Error(err)
	}
	if err := store.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *stack) openStore(path, operatorKey string) *resolver.Store {
	s.t.Helper()
	store, err := resolver.OpenStore(path, operatorKey, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}
