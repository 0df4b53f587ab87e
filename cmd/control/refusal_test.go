package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

// Claims that a broker cannot accept are a failure that everybody sees: the
// account's people, the operator's, and whoever reads a log. What was in force
// before stays so until control sends something better.
func TestRefusedClaimsAreAFailureInTheAPIAndTheLogs(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("spoilt")
	operator := c.asStaff(s)
	var account resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &account)
	creds := c.issue(c.user("one", "").ID)
	c.inForce()
	connected := mustConnect(t, s.nats, creds.file)

	revision := s.spoil(operator, account)
	eventually(t, "the refusal to be told", func() error {
		d := c.delivery()
		if d.InForce || len(d.Brokers) != 1 || d.Brokers[0].InForce || d.Brokers[0].Refusal == nil {
			return fmt.Errorf("delivery = %+v", d)
		}
		return nil
	})
	d := c.operatorDelivery(s)
	if d.InForce || len(d.Brokers[0].Refusals) != 1 {
		t.Fatalf("the operator's delivery = %+v, want one refusal", d)
	}
	if r := d.Brokers[0].Refusals[0]; r.Account != account.PublicKey || r.Revision != revision || r.Reason == "" {
		t.Errorf("refusal = %+v, want %s at %d, and why", r, account.PublicKey, revision)
	}
	for _, p := range []*process{s.control, s.broker} {
		eventually(t, p.name+" to log it", func() error {
			for line := range strings.Lines(p.output()) {
				if strings.Contains(line, "ERROR") && strings.Contains(line, "refused") && strings.Contains(line, account.PublicKey) {
					return nil
				}
			}
			return errors.New("it has not")
		})
	}
	wantEcho(t, connected)
	wantEcho(t, mustConnect(t, s.nats, creds.file))

	c.revokeAndWait(creds.ID, "PT30S").wantConfirmed(t, 2)
	wantThrownOut(t, connected)
	if d := c.delivery(); !d.InForce || d.Brokers[0].Refusal != nil {
		t.Errorf("after better claims: %+v", d)
	}
}

type accountDelivery struct {
	Revision int64
	InForce  bool `json:"in_force"`
	Brokers  []struct {
		Broker  string
		InForce bool `json:"in_force"`
		Refusal *string
	}
}

func (c *customer) delivery() accountDelivery {
	c.t.Helper()
	var d accountDelivery
	c.must("GET", "/v1/accounts/"+c.account+"/delivery", nil, &d)
	return d
}

// spoil has control deliver claims that nobody signed, as a change at that revision.
func (s *stack) spoil(operator, account resource) (revision int64) {
	s.t.Helper()
	pool, err := pgxpool.New(s.t.Context(), s.postgres.URLFor(pgtest.Migrated))
	if err != nil {
		s.t.Fatal(err)
	}
	defer pool.Close()
	err = pgx.BeginFunc(s.t.Context(), pool, func(tx pgx.Tx) error {
		bumped, err := feed.Bump(s.t.Context(), tx, operator.ID, account.PublicKey)
		if err != nil {
			return err
		}
		revision = int64(bumped)
		_, err = tx.Exec(s.t.Context(), `UPDATE accounts SET jwt = reverse(jwt), revision = $1 WHERE id = $2`, revision, account.ID)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return revision
}
