package tenants

import (
	"context"
	"fmt"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// RecordSightings keeps when and where credentials were used last, as a broker
// reports it. What it says of accounts that the operator does not have, and of
// keys that the account never issued, is left out. An older login does not take
// the place of a newer.
func (s *Service) RecordSightings(ctx context.Context, operator OperatorID, broker claims.UserKey, reports []SightingReport) error {
	if err := upsertSightings(ctx, s.pool, operator, broker, latestSightings(reports), s.clock()); err != nil {
		return fmt.Errorf("record what logins broker %s let in: %w", broker, err)
	}
	return nil
}
