package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/postgres"
)

const (
	operationsEvery = time.Second // how soon work that another replica was given, or that waited, goes on
	accountsAStep   = 100         // whose commit the operator's other changes wait for
)

// Operation is one of the actor's tenants' operations; any, for staff.
func (s *Service) Operation(ctx context.Context, actor Actor, id OperationID) (Operation, error) {
	return operationByID(ctx, s.pool, actor, id)
}

// RunOperations does what operations there are, step by step, until ctx ends.
// Every replica runs it; a step is done by one of them.
func (s *Service) RunOperations(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(operationsEvery)
	defer tick.Stop()
	for {
		if err := s.StepOperations(ctx); err != nil && ctx.Err() == nil {
			log.Error("an operation cannot go on; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.work:
		case <-tick.C:
		}
	}
}

// wake lets this replica's RunOperations begin at once.
func (s *Service) wake() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// StepOperations does a step of each operation in turn until all are done or
// wait for something. One that fails does not hold the others up.
func (s *Service) StepOperations(ctx context.Context) error {
	ids, err := unfinishedOperations(ctx, s.pool)
	if err != nil {
		return fmt.Errorf("read the operations: %w", err)
	}
	var failed []error
	for len(ids) > 0 {
		var again []OperationID
		for _, id := range ids {
			progressed, err := s.stepOperation(ctx, id)
			if err != nil {
				failed = append(failed, fmt.Errorf("operation %s: %w", id, err))
			}
			if progressed {
				again = append(again, id)
			}
		}
		ids = again
	}
	return errors.Join(failed...)
}

// stepOperation reports whether there may be more to do at once.
func (s *Service) stepOperation(ctx context.Context, id OperationID) (progressed bool, err error) {
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		w, err := lockOperation(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		now := s.clock()
		if progressed, err = s.step(ctx, tx, &w, now); err != nil {
			return err
		}
		return updateOperation(ctx, tx, w, now)
	})
	return progressed && err == nil, err
}

func (s *Service) step(ctx context.Context, tx pgx.Tx, w *work, now time.Time) (progressed bool, err error) {
	switch w.Kind {
	case AnnounceTenant:
		return s.stepAnnounceTenant(ctx, tx, w, now)
	case MoveTenants:
		return s.stepMoveTenants(ctx, tx, w, now)
	case RotateSigningKey:
		return s.stepRotation(ctx, tx, w, now)
	case RotateSystemAccount:
		return s.stepSystemRotation(ctx, tx, w, now)
	}
	return false, fmt.Errorf("nobody knows how to do %q", w.Kind)
}

// tenantCursor is how far a walk over a tenant's accounts has come.
type tenantCursor struct {
	Tenant  TenantID  `json:"tenant"`
	Account AccountID `json:"account"` // the last that was done; empty: none
}

// announceTenant has all of the tenant's accounts signed anew, after tx.
func (s *Service) announceTenant(ctx context.Context, tx pgx.Tx, by string, tenant TenantID, now time.Time) (Operation, error) {
	count, err := countAccounts(ctx, tx, tenant)
	if err != nil {
		return Operation{}, err
	}
	w := work{Operation: Operation{ID: NewID[OperationID]("opn"), TenantID: &tenant, Kind: AnnounceTenant, Stage: stageSigning,
		Total: count, CreatedBy: by, CreatedAt: now, UpdatedAt: now}}
	at := tenantCursor{Tenant: tenant}
	if err := w.keep(at); err != nil {
		return Operation{}, err
	}
	if s.rehearsal != nil { // nobody goes on with it: this is the time to see what it does
		if _, err := s.announceNext(ctx, tx, &at, accountsAStep, now); err != nil {
			return Operation{}, err
		}
	}
	return w.Operation, insertOperation(ctx, tx, w)
}

func (s *Service) stepAnnounceTenant(ctx context.Context, tx pgx.Tx, w *work, now time.Time) (bool, error) {
	var at tenantCursor
	if err := json.Unmarshal(w.State, &at); err != nil {
		return false, err
	}
	signed, err := s.announceNext(ctx, tx, &at, accountsAStep, now)
	if err != nil {
		return false, err
	}
	w.Done += int64(signed)
	if signed < accountsAStep {
		w.finish(now)
	}
	return true, w.keep(at)
}

// announceNext signs the tenant's next accounts, at most limit of them, and
// moves the cursor on. It ends with Bumps; all rows are locked before the first,
// because who holds one of them may be waiting to bump.
func (s *Service) announceNext(ctx context.Context, tx pgx.Tx, at *tenantCursor, limit int, now time.Time) (int, error) {
	accounts, err := lockNextAccounts(ctx, tx, at.Tenant, at.Account, limit)
	if err != nil || len(accounts) == 0 {
		return 0, err
	}
	plan, err := planByTenant(ctx, tx, at.Tenant)
	if err != nil {
		return 0, err
	}
	left, err := plan.leftBy(ctx, tx, at.Tenant, accounts[0].ID)
	if err != nil {
		return 0, err
	}
	for _, account := range accounts {
		if account, err = s.announceWithin(ctx, tx, account, plan, left, now); err != nil {
			return 0, err
		}
		left = left.less(total(account.EffectiveLimits))
		at.Account = account.ID
	}
	return len(accounts), nil
}

// planMove is how far a move of tenants has come.
type planMove struct {
	From PlanID       `json:"from"` // the version they leave, by its own id
	Plan PlanID       `json:"plan"`
	At   tenantCursor `json:"at"`
}

func (s *Service) beginMove(ctx context.Context, tx pgx.Tx, actor Actor, id OperationID, plan PlanID, version int64) (Operation, error) {
	from, err := planVersion(ctx, tx, plan, version)
	if err != nil {
		return Operation{}, err
	}
	if from.IsNewest {
		return Operation{}, newestAlready(from.Plan)
	}
	now := s.clock()
	w := work{Operation: Operation{ID: id, Kind: MoveTenants, Stage: stageSigning, Total: from.Tenants, CreatedBy: actor.ID, CreatedAt: now, UpdatedAt: now}}
	if err := w.keep(planMove{From: from.VersionID, Plan: plan}); err != nil {
		return Operation{}, err
	}
	if err := insertOperation(ctx, tx, w); err != nil {
		return Operation{}, err
	}
	return w.Operation, insertAudit(ctx, tx, nil, actor.ID, "moveTenants", string(from.VersionID), now)
}

// stepMoveTenants moves one tenant and signs its accounts, as many as a step
// has room for. Who is moved by somebody else meanwhile is left alone.
func (s *Service) stepMoveTenants(ctx context.Context, tx pgx.Tx, w *work, now time.Time) (bool, error) {
	var move planMove
	if err := json.Unmarshal(w.State, &move); err != nil {
		return false, err
	}
	if move.At.Account == "" {
		to, err := planVersion(ctx, tx, move.Plan, 0)
		if err != nil {
			return false, err
		}
		next, err := lockNextTenant(ctx, tx, move.From, move.At.Tenant)
		if errors.Is(err, pgx.ErrNoRows) {
			w.finish(now)
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if err := putOnPlan(ctx, tx, next, to.Plan, now); err != nil {
			return false, err
		}
		if err := insertAudit(ctx, tx, &next, w.CreatedBy, "moveTenants", string(to.VersionID), now); err != nil {
			return false, err
		}
		move.At = tenantCursor{Tenant: next}
	}
	signed, err := s.announceNext(ctx, tx, &move.At, accountsAStep, now)
	if err != nil {
		return false, err
	}
	if signed < accountsAStep {
		w.Done++
		move.At.Account = ""
	}
	return true, w.keep(move)
}
