package tenants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// DeleteAccount freezes the account: nobody gets in any more, and nothing is
// lost until the undo window is over, after which it is purged. A nil undo is
// the installation's. Deleting it again changes nothing; a window of its own
// is then a Conflict. It takes an Admin.
func (s *Service) DeleteAccount(ctx context.Context, actor Actor, id AccountID, match string, undo *time.Duration) (Change, error) {
	window := s.UndoWindow
	if undo != nil {
		window = *undo
	}
	if window < 0 || window > MaxUndo {
		return Change{}, fault.Field("?undo", "deleting can be undone for P%dD at most", int(MaxUndo.Hours()/24))
	}
	account, err := s.changeStatus(ctx, actor, id, match, "deleteAccount", func(account *Account, now time.Time) error {
		if account.DeletingAt != nil && undo != nil {
			return fault.New(fault.Conflict, "the account %s is being deleted already; to end it now, purge it", account.Name)
		}
		if account.DeletingAt == nil {
			until := now.Add(window)
			account.DeletingAt, account.PurgeAt = &now, &until
		}
		return nil
	})
	return account.Change(), err
}

// RestoreAccount undoes the account's deletion: all that was in it is back, and
// its clients are let in again. One that is not being deleted stays as it is. It
// takes an Admin.
func (s *Service) RestoreAccount(ctx context.Context, actor Actor, id AccountID, match string) (Account, error) {
	return s.changeStatus(ctx, actor, id, match, "restoreAccount", func(account *Account, _ time.Time) error {
		account.DeletingAt, account.PurgeAt = nil, nil
		return nil
	})
}

// changeStatus has change say since when the account is being deleted, or that
// it is not, and announces the result, if it is another.
func (s *Service) changeStatus(ctx context.Context, actor Actor, id AccountID, match, action string, change func(*Account, time.Time) error) (Account, error) {
	var account Account
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if account, err = lockAccountRow(ctx, tx, actor, id, Admin); err != nil {
			return err
		}
		if err := matches(match, account.Version); err != nil {
			return err
		}
		before := account.DeletingAt
		since, err := databaseTime(ctx, tx)
		if err != nil {
			return err
		}
		if err := change(&account, since); err != nil || account.DeletingAt == before {
			return err
		}
		now := s.clock()
		if account, err = updateRetirement(ctx, tx, account, now); err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, action, string(id), now); err != nil {
			return err
		}
		account, err = s.announced(ctx, tx, account, now)
		return err
	})
	return account, err
}

// PurgeAccount ends the undo window of an account that is being deleted now. The
// caller repeats the account's name. It takes an Admin.
func (s *Service) PurgeAccount(ctx context.Context, actor Actor, id AccountID, name string) (Retirement, error) {
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountRow(ctx, tx, actor, id, Admin)
		if err != nil {
			return err
		}
		if account.DeletingAt == nil {
			return fault.New(fault.Conflict, "the account %s is in use; delete it first", account.Name)
		}
		if account.Name != name {
			return fault.Field("/name", "this is not the account's name; what is purged cannot be brought back")
		}
		until, err := databaseTime(ctx, tx)
		if err != nil {
			return err
		}
		if account.PurgeAt.After(until) {
			account.PurgeAt = &until
		}
		now := s.clock()
		if _, err := updateRetirement(ctx, tx, account, now); err != nil {
			return err
		}
		return insertAudit(ctx, tx, &account.TenantID, actor.ID, "purgeAccount", string(id), now)
	})
	if err != nil {
		return Retirement{}, err
	}
	return s.Retirement(ctx, actor, id)
}

// Retirement is how far the account's deletion has come. It is to be had after
// the account is gone, too.
func (s *Service) Retirement(ctx context.Context, actor Actor, id AccountID) (Retirement, error) {
	var r Retirement
	err := postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if r, err = retirementByID(ctx, tx, actor, id); err != nil {
			return err
		}
		now, err := databaseTime(ctx, tx)
		if err != nil {
			return err
		}
		recipients, err := recipientsOf(ctx, tx, r.Account.OperatorID)
		if err != nil {
			return err
		}
		disks, err := disksOf(ctx, tx, r.Account)
		if err != nil {
			return err
		}
		for _, b := range recipients {
			disk := disks[b.PublicKey]
			r.Disks = append(r.Disks, BrokerDisk{ID: b.ID, Kind: b.Kind, Broker: b.Name, HeardAt: disk.HeardAt,
				Verified: r.DeletedAt != nil && disk.Verified, Bytes: disk.Bytes, Error: disk.Error})
		}
		r.Phase = r.phase(now)
		return nil
	})
	return r, err
}

const (
	drainAtMost = time.Minute      // after which an account is purged whoever still has not ended its connections
	reachable   = 10 * time.Second // since a broker reported last; it does so every two seconds
	dueAtOnce   = 100
)

// PurgeDue purges the accounts whose undo window is over: brokers get their
// tombstones, seeds are forgotten, and names are free. An account that brokers
// which can be reached have not all frozen yet is left for later. Any replica may
// call it at any time.
func (s *Service) PurgeDue(ctx context.Context) error {
	due, err := accountsToPurge(ctx, s.pool, dueAtOnce)
	if err != nil {
		return err
	}
	for _, id := range due {
		err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error { return s.purge(ctx, tx, id) })
		if err != nil {
			return fmt.Errorf("purge account %s: %w", id, err)
		}
	}
	return nil
}

func (s *Service) purge(ctx context.Context, tx pgx.Tx, id AccountID) error {
	account, err := lockAccountToPurge(ctx, tx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // another replica is at it, or it has been restored
	}
	if err != nil {
		return err
	}
	drained, err := drained(ctx, tx, account)
	if err != nil || !drained {
		return err
	}
	now := s.clock()
	tombstone, err := s.tombstone(ctx, tx, account)
	if err != nil {
		return err
	}
	if err := insertAudit(ctx, tx, &account.TenantID, installation, "purgeAccount", string(id), now); err != nil {
		return err
	}
	plan, err := planByTenant(ctx, tx, account.TenantID)
	if err != nil {
		return err
	}
	if _, err := s.settle(ctx, tx, installation, plan, account, now); err != nil {
		return err
	}
	if err := buryAccount(ctx, tx, account, now); err != nil {
		return err
	}
	_, err = s.bump(ctx, tx, account, tombstone)
	return err
}

// drained says whether every broker that was heard lately has ended the account's connections.
func drained(ctx context.Context, tx pgx.Tx, account Account) (bool, error) {
	now, err := databaseTime(ctx, tx)
	if err != nil {
		return false, err
	}
	if now.Sub(*account.PurgeAt) > drainAtMost {
		return true, nil
	}
	brokers, err := brokersOf(ctx, tx, account.OperatorID)
	if err != nil {
		return false, err
	}
	receipts, err := feed.Receipts(ctx, tx, string(account.OperatorID))
	if err != nil {
		return false, err
	}
	for _, b := range brokers {
		receipt, heard := receipts[string(b.PublicKey)]
		if heard && receipt.Applied < account.Revision && now.Sub(receipt.HeardAt) < reachable {
			return false, nil
		}
	}
	return true, nil
}

// RecordDisk keeps what a broker says of deleted accounts on its disk, and
// answers which of those that it found the operator had and are deleted for good.
// An account whose tombstone was made for want of a row, say after the database
// was restored from an older copy, is not among them.
func (s *Service) RecordDisk(ctx context.Context, operator OperatorID, r DiskReport) (deleted []claims.AccountKey, err error) {
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		now := s.clock()
		if err := upsertDisk(ctx, tx, operator, r, now); err != nil {
			return err
		}
		if deleted, err = upsertErasures(ctx, tx, operator, r, now); err != nil {
			return err
		}
		return finishPurges(ctx, tx, operator, now)
	})
	if err != nil {
		return nil, fmt.Errorf("keep what broker %s says of its disk: %w", r.Broker, err)
	}
	return deleted, nil
}
