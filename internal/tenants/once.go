package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// Once makes a create safe to repeat for 24 hours. The zero Once does not.
type Once struct {
	Key     string   // the caller's Idempotency-Key
	Request [32]byte // SHA-256 of operation, path and body
}

// onceFor is how long a key answers what it made.
const onceFor = 24 * time.Hour

// create runs fresh in a transaction, or again when the same request, under the
// same key, has made a thing already. Of two at the same time the second waits
// for the first. What is to be made has its id beforehand, so that the key can point at it.
func create[ID ~string, T any](ctx context.Context, s *Service, actor Actor, once Once, id ID,
	fresh func(pgx.Tx) (T, error), again func(tx pgx.Tx, id ID) (T, error),
) (T, error) {
	var made T
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		earlier, err := s.ClaimOnce(ctx, tx, actor, once, string(id))
		if err != nil {
			return err
		}
		if earlier == "" {
			made, err = fresh(tx)
		} else {
			made, err = again(tx, ID(earlier))
		}
		return err
	})
	return made, err
}

// ClaimOnce binds the key to the resource that tx is about to make, and answers
// "". When the same request has made one already, it answers that one's id, and
// nothing may be made. The key with another request is a Conflict.
func (s *Service) ClaimOnce(ctx context.Context, tx pgx.Tx, actor Actor, once Once, id string) (earlier string, err error) {
	if once.Key == "" {
		return "", nil
	}
	now := s.clock()
	claimed, err := claimOnce(ctx, tx, actor, once, id, now)
	if err != nil || claimed {
		return "", err
	}
	request, earlier, err := onceByKey(ctx, tx, actor, once.Key)
	if err != nil {
		return "", err
	}
	if request != once.Request {
		return "", fault.New(fault.Conflict, "this Idempotency-Key was used for another request; take a new one for each")
	}
	return earlier, nil
}

// Sweep removes what has had its time: idempotency keys, enrolments, used
// nonces, consoles that expired, events. To be called now and then, by any replica.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.clock()
	if err := deleteOnceBefore(ctx, s.pool, now.Add(-onceFor)); err != nil {
		return fmt.Errorf("sweep idempotency keys: %w", err)
	}
	if err := deleteEnrollmentsExpiredBy(ctx, s.pool, now); err != nil {
		return fmt.Errorf("sweep enrolments: %w", err)
	}
	// Another replica's clock may be behind, and still take the nonce.
	if err := deleteUsedNoncesBefore(ctx, s.pool, now.Add(-time.Hour)); err != nil {
		return fmt.Errorf("sweep used nonces: %w", err)
	}
	if err := deleteExpiredConsoles(ctx, s.pool, now); err != nil {
		return fmt.Errorf("sweep consoles: %w", err)
	}
	if err := deleteEventsBefore(ctx, s.pool, now.Add(-eventsFor)); err != nil {
		return fmt.Errorf("sweep events: %w", err)
	}
	return nil
}
