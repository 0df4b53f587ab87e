package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// longRevoked makes the database say that n credentials of the user, which
// nobody has, were revoked one quickly after the other, just now. Those of some,
// which somebody has, are spread evenly among them. Nobody is told.
func (c *customer) longRevoked(s *stack, user string, n int, some []issued) {
	c.t.Helper()
	pool, err := pgxpool.New(c.t.Context(), s.postgres.URLFor(pgtest.Migrated))
	if err != nil {
		c.t.Fatal(err)
	}
	defer pool.Close()
	from, each := time.Now(), 10*time.Microsecond
	rows := make([][]any, n)
	for i := range rows {
		raw := make([]byte, 32)
		rand.Read(raw)
		key, err := nkeys.Encode(nkeys.PrefixByteUser, raw)
		if err != nil {
			c.t.Fatal(err)
		}
		at := from.Add(time.Duration(i) * each)
		rows[i] = []any{tenants.NewID[tenants.CredentialID]("crd"), c.tenant, c.account, user, string(key), from, at, from, from}
	}
	columns := []string{"id", "tenant_id", "account_id", "user_id", "public_key", "issued_at", "revoked_at", "created_at", "updated_at"}
	if _, err := pool.CopyFrom(c.t.Context(), pgx.Identifier{"credentials"}, columns, pgx.CopyFromRows(rows)); err != nil {
		c.t.Fatal(err)
	}
	for i, one := range some {
		at := from.Add(time.Duration(i*n/len(some)) * each)
		if _, err := pool.Exec(c.t.Context(), `UPDATE credentials SET revoked_at = $1 WHERE id = $2`, at, one.ID); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *customer) issueMany(user string, n int) []issued {
	c.t.Helper()
	all := make([]issued, n)
	for i := range all {
		all[i] = c.issue(user)
	}
	return all
}

// One JWT can hold some 11,200 revocations. On Signalbox brokers an account has
// as many as it needs; a stock server beside them shows the difference.
func TestAccountWithTwentyThousandRevocations(t *testing.T) {
	t.Parallel()
	s := startClusterStack(t)
	c := s.signUp("revoker")
	operator := c.asStaff(s).ID
	user := c.user("device", "")
	sample, kept, byAPI := c.issueMany(user.ID, 20), c.issueMany(user.ID, 2), c.issueMany(user.ID, 300)
	stays := mustConnect(t, s.nats, kept[0].file)
	c.longRevoked(s, user.ID, 20_000, sample)
	for _, one := range byAPI { // the first tells of all
		c.must("POST", "/v1/credentials/"+one.ID+"/revoke", map[string]any{}, nil)
	}
	c.inForce()

	wantRightLogins := func() {
		t.Helper()
		for _, one := range append(sample, byAPI[0], byAPI[150], byAPI[299]) {
			wantRefused(t, s.nats, one.file)
		}
		mustConnect(t, s.nats, kept[1].file).Close()
	}
	wantRightLogins()
	wantEcho(t, stays)
	var account resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &account)
	token, err := s.openDomain().AccountJWTByKey(t.Context(), tenants.OperatorID(operator), claims.AccountKey(account.PublicKey))
	if err != nil || len(token.JWT) > 64<<10 {
		t.Errorf("the account's JWT has %d bytes, %v", len(token.JWT), err)
	}

	last := c.issue(user.ID)
	leaves := mustConnect(t, s.nats, last.file)
	start := time.Now()
	c.revokeAndWait(last.ID, "PT30S").wantConfirmed(t, 1)
	t.Logf("one more was confirmed after %v", time.Since(start))
	wantThrownOut(t, leaves)
	wantEcho(t, stays)

	for _, kind := range []string{"cache", "full"} {
		stock := s.startStock(operator, kind, t.TempDir(), c.serverConfig(operator, kind))
		refuses := func(one issued) func() error {
			return func() error {
				nc, err := connect(t, stock.ClientURL(), one.file)
				if err == nil {
					nc.Close()
					return fmt.Errorf("the %s resolver lets it in", kind)
				}
				return nil
			}
		}
		eventually(t, "the stock server to have the account", func() error {
			nc, err := connect(t, stock.ClientURL(), kept[1].file)
			if err == nil {
				nc.Close()
			}
			return err
		})
		wantRefused(t, stock.ClientURL(), sample[19].file)
		mustConnect(t, stock.ClientURL(), sample[0].file).Close() // no room for the oldest
		another := c.issue(user.ID)
		c.revokeAndWait(another.ID, "PT30S")
		eventually(t, "a stock server to hear of one more", refuses(another))
		eventually(t, "a stock server to hear of all others with it", refuses(sample[19]))
		stock.Shutdown()
	}
	if log := s.control.output(); !strings.Contains(log, `"left_out":`) {
		t.Error("control does not say that stock servers do not hear of all revocations")
	}

	s.control.kill()
	s.broker.kill()
	s.startBroker()
	s.awaitBroker() // it gives control up, and serves what it has
	wantRightLogins()
	wantRefused(t, s.nats, last.file)

	s.startControl()
	next := c.issue(user.ID)
	leaves = eventuallyConnect(t, s.nats, next.file)
	eventually(t, "control to be connected to the broker", func() error {
		if d := c.operatorDelivery(s); !d.Brokers[0].Connected {
			return fmt.Errorf("delivery = %+v", d)
		}
		return nil
	})
	c.revokeAndWait(next.ID, "PT30S").wantConfirmed(t, 1)
	wantThrownOut(t, leaves)
}
