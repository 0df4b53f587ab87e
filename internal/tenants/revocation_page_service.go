package tenants

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// revocationsToSign is what the account's JWT has to say of revocations, and
// which pages hold those it does not. The caller holds the account's lock.
func revocationsToSign(ctx context.Context, tx pgx.Tx, account Account, now time.Time) (map[claims.UserKey]time.Time, []claims.PageHash, error) {
	expired := now.Add(-revocationGrace)
	inline, err := inlineRevocations(ctx, tx, account, expired)
	if err != nil {
		return nil, nil, err
	}
	if len(inline) > maxInline {
		oldest := len(inline) - midInline
		if err := moveToPages(ctx, tx, account, inline[:oldest], expired, now); err != nil {
			return nil, nil, fmt.Errorf("move revocations of account %s to pages: %w", account.ID, err)
		}
		inline = inline[oldest:]
	}
	pages, err := revocationPages.toSign(ctx, tx, account, expired)
	return revokedOf(inline), pages, err
}

// moveToPages puts the revocations into pages, together with what still matters
// of those that are not full.
func moveToPages(ctx context.Context, tx pgx.Tx, account Account, moving []revocation, expired, now time.Time) error {
	counts, err := revocationPages.count(ctx, tx, account, expired)
	if err != nil {
		return err
	}
	open := notFull(counts, fullOfRevocations)
	held, err := revocationsInPages(ctx, tx, account, open)
	if err != nil {
		return err
	}
	staying := append(mattering(held, expired), moving...)
	plan := planPages(slices.Chunk(staying, claims.MaxPageRevocations), open, lastPage(counts))
	return revocationPages.rewrite(ctx, tx, account, plan, held, open, now)
}
