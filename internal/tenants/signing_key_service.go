package tenants

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// SigningKeys are all that the operator has had, oldest first, for staff.
func (s *Service) SigningKeys(ctx context.Context, actor Actor, operator OperatorID) ([]SigningKey, error) {
	if err := actor.requireStaff(); err != nil {
		return nil, err
	}
	if _, err := operatorByID(ctx, s.pool, operator); err != nil {
		return nil, err
	}
	return signingKeysOf(ctx, s.pool, operator)
}

// AddSigningKey makes the operator's next signing key, which is in its JWT from
// now on and signs nothing before the next rotation, for staff. A second next
// one is a Conflict.
func (s *Service) AddSigningKey(ctx context.Context, actor Actor, operator OperatorID) (SigningKey, error) {
	if err := actor.requireStaff(); err != nil {
		return SigningKey{}, err
	}
	var made SigningKey
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := lockOperator(ctx, tx, operator); err != nil {
			return err
		}
		now := s.clock()
		key, err := s.addSigningKey(ctx, tx, operator, now)
		if err != nil {
			return err
		}
		made = SigningKey{PublicKey: key, Status: KeyNext, CreatedAt: now}
		return insertAudit(ctx, tx, nil, actor.ID, "addSigningKey", string(operator), now)
	})
	return made, err
}

func (s *Service) addSigningKey(ctx context.Context, tx pgx.Tx, operator OperatorID, now time.Time) (claims.OperatorKey, error) {
	key, sealed, err := s.newOperatorKey()
	if err != nil {
		return "", err
	}
	if err := insertSigningKey(ctx, tx, operator, key, sealed, KeyNext, now); err != nil {
		return "", err
	}
	_, err = s.signOperator(ctx, tx, operator)
	return key, err
}

// OperatorJWTID names the operator's JWT as it is now.
func (s *Service) OperatorJWTID(ctx context.Context, id OperatorID) (string, error) {
	operator, err := operatorByID(ctx, s.pool, id)
	return claims.OperatorJWTID(operator.JWT), err
}

// signOperator signs the operator's JWT by what its rows say now. The caller
// holds its lock.
func (s *Service) signOperator(ctx context.Context, tx pgx.Tx, id OperatorID) (Operator, error) {
	operator, err := operatorByID(ctx, tx, id)
	if err != nil {
		return Operator{}, err
	}
	keys, err := signingKeysOf(ctx, tx, id)
	if err != nil {
		return Operator{}, err
	}
	said := claims.Operator{Key: operator.PublicKey, Name: operator.Name, Tags: operator.Tags, SystemAccount: operator.SystemPublicKey,
		SystemJWTID: claims.OperatorJWTID(operator.SystemJWT)}
	for _, k := range keys {
		if k.Status != KeyRetired {
			said.SigningKeys = append(said.SigningKeys, k.PublicKey)
		}
	}
	own, sealed, err := operatorSeed(ctx, tx, id)
	if err != nil {
		return Operator{}, err
	}
	token, err := s.sign(sealed, string(own), func(seed claims.Seed) (string, error) { return claims.EncodeOperator(said, seed) })
	if err != nil {
		return Operator{}, fmt.Errorf("sign operator %s: %w", id, err)
	}
	return updateOperatorJWT(ctx, tx, id, token)
}

// Stages of a rotation. What is signed with a key must not reach a broker that
// does not trust it; so brokers come first, in both directions.
const (
	stageTrusting   = "waiting until brokers trust the next key"
	stageDelivering = "waiting until brokers have what the new key signed"
	stageRetiring   = "waiting until brokers have forgotten the old key"
)

// rotation is how far a rotation of a signing key has come.
type rotation struct {
	Account  AccountID     `json:"account,omitempty"`  // the last that was signed
	Revision feed.Revision `json:"revision,omitempty"` // at which all were
}

// toSign is an account whose JWT is to be signed anew.
type toSign struct {
	Account
	DeletedAt *time.Time
}

// RotateSigningKey has the operator's accounts be signed by its next key, a new
// one if there is none, and retires the one that has signed them, for staff.
// Brokers are looked after; servers that read the operator's JWT when they start
// are not, so that whoever has attached some says that they have been restarted
// with it. One rotation at a time: another is a Conflict.
func (s *Service) RotateSigningKey(ctx context.Context, actor Actor, once Once, operator OperatorID, serversRestarted bool) (Operation, error) {
	if err := actor.requireStaff(); err != nil {
		return Operation{}, err
	}
	id := NewID[OperationID]("opn")
	fresh := func(tx pgx.Tx) (Operation, error) {
		return s.beginRotation(ctx, tx, actor, id, operator, serversRestarted)
	}
	again := func(tx pgx.Tx, id OperationID) (Operation, error) { return operationByID(ctx, tx, actor, id) }
	operation, err := create(ctx, s, actor, once, id, fresh, again)
	s.wake()
	return operation, err
}

func (s *Service) beginRotation(ctx context.Context, tx pgx.Tx, actor Actor, id OperationID, operator OperatorID, serversRestarted bool) (Operation, error) {
	if _, err := lockOperator(ctx, tx, operator); err != nil {
		return Operation{}, err
	}
	if err := checkNotRotating(ctx, tx, operator); err != nil {
		return Operation{}, err
	}
	keys, err := signingKeysOf(ctx, tx, operator)
	if err != nil {
		return Operation{}, err
	}
	now := s.clock()
	switch next := keys[len(keys)-1].Status == KeyNext; {
	case !next && serversRestarted:
		return Operation{}, fault.Field("/servers_restarted", "add the next signing key first: servers cannot have been restarted with one that was not there")
	case !next:
		if _, err := s.addSigningKey(ctx, tx, operator, now); err != nil {
			return Operation{}, err
		}
	}
	recipients, err := recipientsOf(ctx, tx, operator)
	if err != nil {
		return Operation{}, err
	}
	for _, r := range recipients {
		if r.Kind == ServerRecipient && !serversRestarted {
			return Operation{}, fault.New(fault.Conflict, "the server %s is attached and reads the operator's JWT when it starts: add the next signing key, "+
				"restart the attached servers with the configuration as it is then, and say so", r.Name)
		}
	}
	w := work{Operation: Operation{ID: id, OperatorID: &operator, Kind: RotateSigningKey, Stage: stageTrusting, CreatedBy: actor.ID, CreatedAt: now, UpdatedAt: now}}
	if err := w.keep(rotation{}); err != nil {
		return Operation{}, err
	}
	if err := insertOperation(ctx, tx, w); err != nil {
		return Operation{}, err
	}
	return w.Operation, insertAudit(ctx, tx, nil, actor.ID, "rotateSigningKey", string(operator), now)
}

// checkNotRotating wants the operator's rotations to come one after another: each
// counts on the other's keys to stay.
func checkNotRotating(ctx context.Context, tx pgx.Tx, operator OperatorID) error {
	under, err := rotating(ctx, tx, operator)
	if err == nil && under {
		return fault.New(fault.Conflict, "the operator's signing key or its system account is being rotated already")
	}
	return err
}

func (s *Service) stepRotation(ctx context.Context, tx pgx.Tx, w *work, now time.Time) (bool, error) {
	var r rotation
	if err := json.Unmarshal(w.State, &r); err != nil {
		return false, err
	}
	before := w.Stage
	var err error
	switch w.Stage {
	case stageTrusting:
		err = s.trustThenActivate(ctx, tx, w)
	case stageSigning:
		return true, s.signNext(ctx, tx, w, &r, now)
	case stageDelivering:
		err = s.deliverThenRetire(ctx, tx, w, r, now)
	case stageRetiring:
		if w.Detail, err = distrusted(ctx, tx, *w.OperatorID); err == nil && w.Detail == "" {
			w.finish(now)
		}
	}
	if err != nil {
		return false, err
	}
	return w.Stage != before, w.keep(r)
}

// trustThenActivate waits for every broker, the ones that are down as well: what
// the new key signs must not find one that does not know it. And it waits for
// the changes that are being signed with the old key, so that all there is to sign anew can be seen.
func (s *Service) trustThenActivate(ctx context.Context, tx pgx.Tx, w *work) error {
	operator, err := lockOperator(ctx, tx, *w.OperatorID)
	if err != nil {
		return err
	}
	if w.Detail, err = distrusted(ctx, tx, operator.ID); err != nil || w.Detail != "" {
		return err
	}
	if err := ownSigningKey(ctx, tx, operator.ID); err != nil {
		return err
	}
	if err := activateSigningKey(ctx, tx, operator.ID); err != nil {
		return err
	}
	if w.Total, err = countToSign(ctx, tx, operator.ID); err != nil {
		return err
	}
	w.Stage = stageSigning
	return s.signSystemAccount(ctx, tx, operator)
}

// signSystemAccount signs the operator's system account anew: without those
// brokers' users that have been removed from it, and now these.
func (s *Service) signSystemAccount(ctx context.Context, tx pgx.Tx, operator Operator, removed ...claims.UserKey) error {
	before, err := operator.removedBrokers()
	if err != nil {
		return err
	}
	removed = append(removed, before...)
	token, err := s.signForOperator(ctx, tx, operator.ID, func(signer claims.Seed) (string, error) {
		return claims.EncodeSystemAccount(operator.SystemPublicKey, systemAccount, signer, removed...)
	})
	if err != nil {
		return fmt.Errorf("sign the system account: %w", err)
	}
	return updateSystemJWT(ctx, tx, operator.ID, token)
}

// signNext signs the operator's next accounts anew, the deleted ones included:
// brokers that catch up later must believe those as well.
func (s *Service) signNext(ctx context.Context, tx pgx.Tx, w *work, r *rotation, now time.Time) error {
	accounts, err := lockNextToSign(ctx, tx, *w.OperatorID, r.Account, accountsAStep)
	if err != nil {
		return err
	}
	if len(accounts) < accountsAStep {
		foreign, err := lockTombstones(ctx, tx, *w.OperatorID)
		if err != nil {
			return err
		}
		defer func() { w.Stage = stageDelivering }()
		for _, key := range foreign {
			if err := s.bury(ctx, tx, *w.OperatorID, key); err != nil {
				return err
			}
		}
		w.Done += int64(len(foreign))
	}
	for _, a := range accounts {
		if err := s.signAgain(ctx, tx, a, now); err != nil {
			return err
		}
		r.Account = a.ID
	}
	w.Done += int64(len(accounts))
	if r.Revision, err = feed.Head(ctx, tx, string(*w.OperatorID)); err != nil {
		return err
	}
	return w.keep(r)
}

func (s *Service) signAgain(ctx context.Context, tx pgx.Tx, a toSign, now time.Time) error {
	if a.DeletedAt == nil {
		_, err := s.announce(ctx, tx, a.Account, now)
		return err
	}
	token, err := s.tombstone(ctx, tx, a.Account)
	if err != nil {
		return err
	}
	_, err = s.bump(ctx, tx, a.Account, token)
	return err
}

func (s *Service) deliverThenRetire(ctx context.Context, tx pgx.Tx, w *work, r rotation, now time.Time) error {
	if _, err := lockOperator(ctx, tx, *w.OperatorID); err != nil {
		return err
	}
	recipients, err := recipientsOf(ctx, tx, *w.OperatorID)
	if err != nil {
		return err
	}
	receipts, err := feed.Receipts(ctx, tx, string(*w.OperatorID))
	if err != nil {
		return err
	}
	var behind []string
	for _, b := range recipients {
		if receipts[string(b.PublicKey)].Applied < r.Revision {
			behind = append(behind, b.Name)
		}
	}
	if w.Detail = waitingFor(behind); w.Detail != "" {
		return nil
	}
	if err := retireSigningKeys(ctx, tx, *w.OperatorID, now); err != nil {
		return err
	}
	w.Stage = stageRetiring
	_, err = s.signOperator(ctx, tx, *w.OperatorID)
	return err
}

// distrusted names the brokers that have not confirmed the operator's JWT as it is now.
func distrusted(ctx context.Context, tx pgx.Tx, operator OperatorID) (string, error) {
	current, err := operatorByID(ctx, tx, operator)
	if err != nil {
		return "", err
	}
	brokers, err := brokersOf(ctx, tx, operator)
	if err != nil {
		return "", err
	}
	var behind []string
	for _, b := range brokers {
		if b.OperatorJWTID != claims.OperatorJWTID(current.JWT) {
			behind = append(behind, b.Name)
		}
	}
	return waitingFor(behind), nil
}

func waitingFor(names []string) string {
	if len(names) == 0 {
		return ""
	}
	shown := names[:min(len(names), namesShown)]
	return fmt.Sprintf("%d of the operator's brokers and servers, such as %s", len(names), strings.Join(shown, ", "))
}

const namesShown = 5
