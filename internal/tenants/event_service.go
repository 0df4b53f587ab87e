package tenants

import (
	"context"
	"fmt"
)

// Events lists what happened to the tenant's things, newest first, in the last 90 days.
func (s *Service) Events(ctx context.Context, actor Actor, tenant TenantID, q PageQuery) (Page[Event], error) {
	if err := actor.Require(tenant, Viewer); err != nil {
		return Page[Event]{}, err
	}
	k, err := q.keyset(newestFirst)
	if err != nil {
		return Page[Event]{}, err
	}
	events, err := eventsByTenant(ctx, s.pool, tenant, k)
	return PageOf(k, events, func(e Event) (string, string) { return string(e.ID), "" }), err
}

// WarnOfExpiry writes the events of credentials that are about to expire, or
// have, each once: replicas that do so at the same time share the work.
func (s *Service) WarnOfExpiry(ctx context.Context) error {
	for {
		n, err := insertExpiryEvents(ctx, s.pool, s.clock(), eventsAtOnce)
		if err != nil {
			return fmt.Errorf("write events of credentials' expiry: %w", err)
		}
		if n < eventsAtOnce {
			return nil
		}
	}
}
