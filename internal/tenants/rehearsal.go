package tenants

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// Rehearsal is what a change would have done, had it not been taken back.
type Rehearsal struct {
	Accounts []RehearsedAccount // whose JWT it would change, in the order of their first change
	Issued   []string           // JWTs of credentials that it would issue; not to be given away, since nothing revokes them
}

// RehearsedAccount is an account before and after the change.
type RehearsedAccount struct {
	Account
	Before string // JWT; empty for a new account
	After  string
}

var errRehearsed = errors.New("it was a rehearsal")

// Rehearse has change do with another Service what it would do with this one, in
// a transaction that is then rolled back: nothing of it stays, neither audit nor
// revision nor idempotency key, and nobody hears of it. It fails as the change would.
// What the change keeps locked it locks as well, for as long as that takes.
func (s *Service) Rehearse(ctx context.Context, change func(*Service) error) (Rehearsal, error) {
	var noted Rehearsal
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		noted = Rehearsal{}
		shadow := &Service{pool: postgres.Within(tx), keys: s.keys, now: s.now, UndoWindow: s.UndoWindow, rehearsal: &noted}
		if err := change(shadow); err != nil {
			return err
		}
		return errRehearsed
	})
	if !errors.Is(err, errRehearsed) {
		return Rehearsal{}, err
	}
	return noted, nil
}

// note is told of each JWT that an account gets. A nil Rehearsal does nothing.
func (r *Rehearsal) note(ctx context.Context, tx pgx.Tx, account Account, token string) error {
	if r == nil {
		return nil
	}
	for i := range r.Accounts {
		if r.Accounts[i].ID == account.ID {
			r.Accounts[i].Account, r.Accounts[i].After = account, token
			return nil
		}
	}
	before, err := accountJWTByKey(ctx, tx, account.OperatorID, account.PublicKey)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return fmt.Errorf("read the account's JWT of before: %w", err)
	}
	r.Accounts = append(r.Accounts, RehearsedAccount{Account: account, Before: before.JWT, After: token})
	return nil
}

// issued is told of each user JWT.
func (r *Rehearsal) issued(token string) {
	if r != nil {
		r.Issued = append(r.Issued, token)
	}
}
