package tenants

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// HeldJWT is what brokers must hold of an account, in short.
type HeldJWT struct {
	Key      claims.AccountKey
	Revision feed.Revision
	Sum      int64 // the first eight bytes of the SHA-256 of key and JWT
}

// HeldSums are the exclusive or of the sums of all that the operator's brokers
// must hold, by the first four characters of the accounts' keys.
func (s *Service) HeldSums(ctx context.Context, operator OperatorID) (map[string]int64, error) {
	return heldSums(ctx, s.pool, operator)
}

// Held is what the operator's brokers must hold of the accounts whose keys
// begin with one of these four characters.
func (s *Service) Held(ctx context.Context, operator OperatorID, buckets []string) ([]HeldJWT, error) {
	return heldIn(ctx, s.pool, operator, buckets)
}

// Repair says what is to be sent to brokers again.
type Repair struct {
	Again   []claims.AccountKey // accounts whose JWTs a broker does not hold as it should
	Foreign []claims.AccountKey // accounts that a broker holds and the operator does not have
	Past    feed.Revision       // the highest revision that any broker knows: an older one than it is no news to it
}

// repairAtOnce bounds how long one repair keeps other changes waiting.
const repairAtOnce = 500

// RepairDrift gives the JWTs new revisions, so that every broker gets them as it
// gets any change, and foreign accounts tombstones, which let nobody in. It is
// for staff.
func (s *Service) RepairDrift(ctx context.Context, actor Actor, operator OperatorID, r Repair) error {
	if err := actor.requireStaff(); err != nil {
		return err
	}
	for again := range slices.Chunk(r.Again, repairAtOnce) {
		if err := s.repair(ctx, actor, operator, Repair{Again: again, Past: r.Past}); err != nil {
			return err
		}
	}
	for foreign := range slices.Chunk(r.Foreign, repairAtOnce) {
		if err := s.repair(ctx, actor, operator, Repair{Foreign: foreign, Past: r.Past}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) repair(ctx context.Context, actor Actor, operator OperatorID, r Repair) error {
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := operatorByID(ctx, tx, operator); err != nil {
			return err
		}
		now := s.clock()
		// Like every change: first the accounts' locks, then the feed's.
		known, err := lockHeld(ctx, tx, operator, append(slices.Clone(r.Again), r.Foreign...))
		if err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, nil, actor.ID, "repairDrift", string(operator), now); err != nil {
			return err
		}
		if err := shareSigningKey(ctx, tx, operator); err != nil { // before the feed's lock, as everybody
			return err
		}
		if err := feed.Advance(ctx, tx, string(operator), r.Past); err != nil {
			return err
		}
		for _, key := range r.Foreign {
			if slices.Contains(known, key) {
				continue // it has come into being meanwhile
			}
			if err := s.bury(ctx, tx, operator, key); err != nil {
				return err
			}
		}
		for _, key := range r.Again {
			if err := sendAgain(ctx, tx, operator, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// bury gives an account that is not ours a last JWT.
func (s *Service) bury(ctx context.Context, tx pgx.Tx, operator OperatorID, key claims.AccountKey) error {
	token, err := s.signForOperator(ctx, tx, operator, func(signer claims.Seed) (string, error) {
		return claims.EncodeTombstone(key, "foreign", signer)
	})
	if err != nil {
		return fmt.Errorf("sign the tombstone of %s: %w", key, err)
	}
	revision, err := feed.Bump(ctx, tx, string(operator), string(key))
	if err != nil {
		return err
	}
	return upsertTombstone(ctx, tx, operator, AccountJWT{Key: key, Revision: revision, JWT: token}, s.clock())
}

func sendAgain(ctx context.Context, tx pgx.Tx, operator OperatorID, key claims.AccountKey) error {
	revision, err := feed.Bump(ctx, tx, string(operator), string(key))
	if err != nil {
		return err
	}
	return setHeldRevision(ctx, tx, operator, key, revision)
}
