package tenants

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/lease"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// LeaseShares answers a broker that asks for places of connections, by the rules
// of package lease, and says which recalls all brokers are to be told. The ledger is in the
// database, each bucket a row that is locked meanwhile, and the clock is the database's, so that
// it makes no difference which replica is asked.
func (s *Service) LeaseShares(ctx context.Context, operator OperatorID, q lease.Ask) (answer lease.Answer, recalls []lease.Recall, err error) {
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		answer, recalls = lease.Answer{}, nil
		last, err := lockLeaseBroker(ctx, tx, operator, claims.UserKey(q.Broker))
		if err != nil {
			return err
		}
		if q.Incarnation < last.Incarnation || q.Incarnation == last.Incarnation && q.Sequence <= last.Sequence {
			answer.Incarnation = last.Incarnation
			return nil
		}
		if q.Incarnation > last.Incarnation {
			if err := deleteShares(ctx, tx, q.Broker); err != nil {
				return err
			}
		}
		hall, err := s.hear(ctx, tx, operator, q)
		if err != nil {
			return err
		}
		answer.Peers = hall.peers
		if len(q.Wants) == 0 {
			return nil
		}
		answer.Grants, recalls, err = s.grant(ctx, tx, operator, hall, q)
		return err
	})
	if err != nil {
		return lease.Answer{}, nil, fmt.Errorf("give broker %s places for connections: %w", q.Broker, err)
	}
	return answer, recalls, nil
}

// hall is who is heard.
type hall struct {
	heard map[string]lease.Heard
	peers []string // of the asker: brokers of its cluster that are being heard
}

// lost are the others of which what they hold is free.
func (h hall) lost(asker string, now time.Time) (brokers []string) {
	for broker, heard := range h.heard {
		if broker != asker && heard.Lost(h.heard, now) {
			brokers = append(brokers, broker)
		}
	}
	return brokers
}

func (s *Service) hear(ctx context.Context, tx pgx.Tx, operator OperatorID, q lease.Ask) (hall, error) {
	brokers, now, err := leaseBrokers(ctx, tx, operator)
	if err != nil {
		return hall{}, err
	}
	h := hall{heard: map[string]lease.Heard{}}
	var cluster string
	for _, b := range brokers {
		h.heard[b.Broker] = b.Heard
		if b.Broker == q.Broker {
			cluster = b.Cluster
		}
	}
	own := h.heard[q.Broker]
	own.Hear(q.Peers, now)
	h.heard[q.Broker] = own
	for _, b := range brokers {
		if b.Broker != q.Broker && cluster != "" && b.Cluster == cluster && b.Steady(now) {
			h.peers = append(h.peers, b.Broker)
		}
	}
	return h, updateLeaseBroker(ctx, tx, q, own)
}

func (s *Service) grant(ctx context.Context, tx pgx.Tx, operator OperatorID, h hall, q lease.Ask) ([]lease.Grant, []lease.Recall, error) {
	accounts, err := s.accountCounts(ctx, tx, operator, q.Wants)
	if err != nil {
		return nil, nil, err
	}
	ledger, now, err := lockLedger(ctx, tx, accounts, q.Wants)
	if err != nil {
		return nil, nil, err
	}
	var recalls []lease.Recall
	lost := h.lost(q.Broker, now)
	grants := make([]lease.Grant, 0, len(q.Wants))
	for _, w := range q.Wants {
		b := ledger.buckets[w.Key]
		if b == nil {
			grants = append(grants, lease.Grant{Final: true}) // there is no such account
			continue
		}
		b.Drop(func(broker string) bool { return slices.Contains(lost, broker) })
		g, recall := b.Take(q.Broker, w, accounts[w.Account].limit(w), now)
		grants = append(grants, g)
		if recall {
			recalls = append(recalls, lease.Recall{Key: w.Key, Number: b.Recall})
		}
	}
	return grants, recalls, ledger.store(ctx, tx, accounts, q.Broker, lost)
}

// accountCounts is what bounds an account's connections.
type accountCounts struct {
	ID       AccountID
	TenantID TenantID
	claims.Extension
}

func (c accountCounts) limit(w lease.Want) int64 {
	if name, ok := w.User(); ok {
		return c.UserConnections(name, claims.AccountKey(w.Role))
	}
	name, _ := w.Type()
	return c.ConnectionsOf(claims.ConnectionType(name))
}

// accountCounts reads what the accounts' JWTs say, as brokers do.
func (s *Service) accountCounts(ctx context.Context, tx pgx.Tx, operator OperatorID, wants []lease.Want) (map[string]accountCounts, error) {
	rows, err := accountsByKey(ctx, tx, operator, column(wants, func(w lease.Want) string { return w.Account }))
	if err != nil {
		return nil, err
	}
	counts := make(map[string]accountCounts, len(rows))
	for _, a := range rows {
		x, err := s.counts.read(a.PublicKey, a.JWT)
		if err != nil {
			return nil, fmt.Errorf("read what account %s limits: %w", a.ID, err)
		}
		counts[string(a.PublicKey)] = accountCounts{ID: a.ID, TenantID: a.TenantID, Extension: x}
	}
	return counts, nil
}

// countReader reads what an account's JWT says of its counts. It remembers that,
// since to read a JWT takes longer than all the rest of an ask.
type countReader struct {
	mu    sync.Mutex
	known map[claims.AccountKey]readCounts
}

type readCounts struct {
	jwt string
	claims.Extension
}

const maxReadCounts = 4096 // accounts remembered

func (r *countReader) read(key claims.AccountKey, jwt string) (claims.Extension, error) {
	r.mu.Lock()
	known, ok := r.known[key]
	r.mu.Unlock()
	if ok && known.jwt == jwt {
		return known.Extension, nil
	}
	facts, err := claims.DecodeAccount(jwt)
	if err != nil {
		return claims.Extension{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= maxReadCounts {
		r.known = map[claims.AccountKey]readCounts{}
	}
	r.known[key] = readCounts{jwt: jwt, Extension: facts.Extension()}
	return facts.Extension(), nil
}
