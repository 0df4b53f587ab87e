package main

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/signalbox-io/signalbox/internal/claims"
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

func (c *customer) checkDrift(operator string, repair bool) driftCheck {
	c.t.Helper()
	var check driftCheck
	c.must("POST", "/v1/operators/"+operator+"/drift-checks", map[string]any{"repair": repair}, &check)
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
	s.tamper(func(held *bbolt.Bucket) error {
		older := append([]byte{}, held.Get([]byte(accounts[4].PublicKey))...)
		binary.BigEndian.PutUint64(older, 1<<20) // as after the database was restored from an older copy
		for _, put := range []string{stale, foreign} {
			if err := held.Put([]byte(put), older); err != nil {
				return err
			}
		}
		return held.Delete([]byte(missing))
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

// tamper changes the accounts in the stopped broker's store.
func (s *stack) tamper(change func(held *bbolt.Bucket) error) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "broker", "*.db"))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("stores = %v, %v, want one", files, err)
	}
	db, err := bbolt.Open(files[0], 0o600, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte("accounts"))) }); err != nil {
		s.t.Fatal(err)
	}
}
