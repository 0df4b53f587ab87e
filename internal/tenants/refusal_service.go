package tenants

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// RefusedLogins lists who was not let in to the account, in the last seven days,
// what was reported last first, at most 500.
func (s *Service) RefusedLogins(ctx context.Context, actor Actor, account AccountID, q PageQuery) (Page[RefusedLogin], error) {
	k, err := q.keyset(newestFirst)
	if err != nil {
		return Page[RefusedLogin]{}, err
	}
	of, err := accountByID(ctx, s.pool, actor, account)
	if err != nil {
		return Page[RefusedLogin]{}, err
	}
	refusals, err := refusedLoginsByAccount(ctx, s.pool, of, k, s.clock().Add(-refusalsFor))
	return PageOf(k, refusals, func(r RefusedLogin) (string, string) { return string(r.ID), "" }), err
}

// RecordRefusals adds a broker's report to what is known. What it says of
// accounts that the operator does not have is left out: there is nobody to tell.
// A report that comes twice counts twice.
func (s *Service) RecordRefusals(ctx context.Context, operator OperatorID, broker claims.UserKey, reports []RefusalReport) error {
	fitting := make([]RefusalReport, 0, len(reports))
	for _, r := range reports {
		fitting = append(fitting, r.fit())
	}
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		accounts, err := upsertRefusals(ctx, tx, operator, broker, fitting, s.clock())
		if err != nil {
			return err
		}
		if err := s.hurryKeys(ctx, tx, fitting); err != nil {
			return err
		}
		return pruneRefusals(ctx, tx, accounts, s.clock().Add(-refusalsFor))
	})
	if err != nil {
		return fmt.Errorf("record what logins broker %s refused: %w", broker, err)
	}
	return nil
}
