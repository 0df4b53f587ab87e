package tenants

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func (o Operator) system() SystemAccount {
	return SystemAccount{Key: o.SystemPublicKey, JWT: o.SystemJWT}
}

const stageRestarting = "waiting until brokers have been restarted"

// RotateSystemAccount gives the operator a new system account, for staff. Brokers
// come to be in it when they restart, and the old one is retired once all have.
// What attached servers are in only they know, so that they must be detached
// before: else it is a Conflict, as it is during another rotation.
func (s *Service) RotateSystemAccount(ctx context.Context, actor Actor, once Once, operator OperatorID) (Operation, error) {
	if err := actor.requireStaff(); err != nil {
		return Operation{}, err
	}
	id := NewID[OperationID]("opn")
	fresh := func(tx pgx.Tx) (Operation, error) { return s.beginSystemRotation(ctx, tx, actor, id, operator) }
	again := func(tx pgx.Tx, id OperationID) (Operation, error) { return operationByID(ctx, tx, actor, id) }
	operation, err := create(ctx, s, actor, once, id, fresh, again)
	s.wake()
	return operation, err
}

func (s *Service) beginSystemRotation(ctx context.Context, tx pgx.Tx, actor Actor, id OperationID, operator OperatorID) (Operation, error) {
	before, err := lockOperator(ctx, tx, operator)
	if err != nil {
		return Operation{}, err
	}
	if err := checkNotRotating(ctx, tx, operator); err != nil {
		return Operation{}, err
	}
	recipients, err := recipientsOf(ctx, tx, operator)
	if err != nil {
		return Operation{}, err
	}
	for _, r := range recipients {
		if r.Kind == ServerRecipient {
			return Operation{}, fault.New(fault.Conflict, "the server %s is attached: detach it, and attach it again "+
				"when it has been restarted with the configuration as it is then", r.Name)
		}
	}
	now := s.clock()
	if err := s.changeSystemAccount(ctx, tx, before, now); err != nil {
		return Operation{}, err
	}
	w := work{Operation: Operation{ID: id, OperatorID: &operator, Kind: RotateSystemAccount, Stage: stageRestarting,
		Total: int64(len(recipients)), CreatedBy: actor.ID, CreatedAt: now, UpdatedAt: now}}
	if err := w.keep(struct{}{}); err != nil {
		return Operation{}, err
	}
	if err := insertOperation(ctx, tx, w); err != nil {
		return Operation{}, err
	}
	return w.Operation, insertAudit(ctx, tx, nil, actor.ID, "rotateSystemAccount", string(operator), now)
}

// changeSystemAccount makes a new system account the operator's and keeps the
// old one beside it, for the brokers in it. Those that were removed stay so.
func (s *Service) changeSystemAccount(ctx context.Context, tx pgx.Tx, before Operator, now time.Time) error {
	operator := before.ID
	removed, err := before.removedBrokers()
	if err != nil {
		return err
	}
	key, sealed, err := s.newAccountKey()
	if err != nil {
		return err
	}
	token, err := s.signForOperator(ctx, tx, operator, func(signer claims.Seed) (string, error) {
		return claims.EncodeSystemAccount(key, systemAccount, signer, removed...)
	})
	if err != nil {
		return err
	}
	if err := leaveSystemAccount(ctx, tx, operator, now); err != nil {
		return err
	}
	if err := enterSystemAccount(ctx, tx, operator, SystemAccount{Key: key, JWT: token}, sealed); err != nil {
		return err
	}
	_, err = s.signOperator(ctx, tx, operator)
	return err
}

// stepSystemRotation waits for every broker, the ones that are down as well: they
// know the old system account only, and control speaks to them there.
func (s *Service) stepSystemRotation(ctx context.Context, tx pgx.Tx, w *work, now time.Time) (bool, error) {
	operator, err := lockOperator(ctx, tx, *w.OperatorID)
	if err != nil {
		return false, err
	}
	brokers, err := brokersOf(ctx, tx, operator.ID)
	if err != nil {
		return false, err
	}
	var behind []string
	for _, b := range brokers {
		if b.System != operator.SystemPublicKey && b.System != "" {
			behind = append(behind, b.Name)
		}
	}
	w.Total, w.Done, w.Detail = int64(len(brokers)), int64(len(brokers)-len(behind)), waitingFor(behind)
	if w.Detail != "" {
		return false, nil
	}
	old, err := retireSystemAccount(ctx, tx, operator.ID, now)
	if err != nil {
		return false, err
	}
	w.finish(now)
	return true, s.bury(ctx, tx, operator.ID, old)
}

// seatFor is the system account that a broker gets a seat in when it says which
// one its server is in. What is not the operator's is Invalid.
func seatFor(ctx context.Context, tx pgx.Tx, operator Operator, broker Broker, in claims.AccountKey) (SystemAccount, error) {
	present := operator.system()
	if in == present.Key {
		return present, nil
	}
	if in == "" && (broker.System == "" || broker.System == present.Key) {
		return present, nil
	}
	if in == "" {
		former, err := formerSystemAccountByKey(ctx, tx, operator.ID, broker.System)
		if err == nil && former.RetiredAt != nil {
			err = fault.New(fault.Conflict, "the operator has another system account now: update this broker, and enrol it again")
		}
		return former.SystemAccount, err
	}
	_, err := formerSystemAccountByKey(ctx, tx, operator.ID, in)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.Field("/system_account_public_key", "the operator has no such system account")
	}
	return present, err
}
