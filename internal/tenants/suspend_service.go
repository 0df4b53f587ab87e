package tenants

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// SuspendAccount lets nobody into the account, and ends its connections, until
// it is resumed. Nothing of it is lost: what JetStream stores stays, changes are
// possible and hold afterwards. It takes an Admin, or staff, whose word goes
// further: one that is suspended already stays as it is, unless it was by the
// tenant and now is by staff.
func (s *Service) SuspendAccount(ctx context.Context, actor Actor, id AccountID, reason string) (Account, error) {
	var account Account
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if account, err = lockToSuspend(ctx, tx, actor, id); err != nil {
			return err
		}
		if err := validateReason(reason); err != nil {
			return err
		}
		by := actor.side()
		if account.SuspendedAt != nil && (*account.SuspendedBy == by || by == SideTenant) {
			return nil
		}
		now := s.clock()
		if account, err = suspendAccount(ctx, tx, account, &now, &by, reason, now); err != nil {
			return err
		}
		if err := insertReasonedAudit(ctx, tx, &account.TenantID, actor.ID, "suspendAccount", string(id), reason, now); err != nil {
			return err
		}
		account, err = s.announced(ctx, tx, account, now)
		return err
	})
	return account, err
}

// ResumeAccount lets in again who was before the account was suspended. It takes
// an Admin; what staff suspended, only staff resume. One that is not suspended
// stays as it is.
func (s *Service) ResumeAccount(ctx context.Context, actor Actor, id AccountID) (Account, error) {
	var account Account
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if account, err = lockToSuspend(ctx, tx, actor, id); err != nil || account.SuspendedAt == nil {
			return err
		}
		if *account.SuspendedBy == SideStaff && actor.side() != SideStaff {
			return fault.New(fault.Forbidden, "the staff of this installation have suspended the account, and only they can resume it")
		}
		now := s.clock()
		if account, err = suspendAccount(ctx, tx, account, nil, nil, "", now); err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "resumeAccount", string(id), now); err != nil {
			return err
		}
		account, err = s.announced(ctx, tx, account, now)
		return err
	})
	return account, err
}

func lockToSuspend(ctx context.Context, tx pgx.Tx, actor Actor, id AccountID) (Account, error) {
	if !actor.Staff {
		return lockAccount(ctx, tx, actor, id, Admin)
	}
	account, err := lockAccountAnywhere(ctx, tx, id)
	if err != nil {
		return Account{}, err
	}
	return account, account.live()
}

func (a Actor) side() Side {
	if a.Staff {
		return SideStaff
	}
	return SideTenant
}
