package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Page is the page with that name, if one of the operator's accounts has it now;
// NotFound also when another has taken its place.
func (s *Service) Page(ctx context.Context, operator OperatorID, name claims.PageName) (claims.Page, error) {
	return pageByName(ctx, s.pool, operator, name)
}

func pageByName(ctx context.Context, q querier, operator OperatorID, name claims.PageName) (claims.Page, error) {
	byHash := map[claims.PageKind]func(context.Context, querier, OperatorID, claims.PageHash) ([]byte, error){
		claims.RevocationKind: pageByHash, claims.LoginKind: loginPageByHash, claims.TrustKind: trustPageByHash,
	}[name.Kind]
	if byHash == nil {
		return nil, notFound("page", name.String())
	}
	content, err := byHash(ctx, q, operator, name.Hash)
	if err != nil {
		return nil, err
	}
	return claims.DecodePage(name, content)
}

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
	pages, err := pagesToSign(ctx, tx, account, expired)
	return revokedOf(inline), pages, err
}

// moveToPages puts the revocations into pages, together with what still matters
// of those that are not full.
func moveToPages(ctx context.Context, tx pgx.Tx, account Account, moving []revocation, expired, now time.Time) error {
	counts, err := countPages(ctx, tx, account, expired)
	if err != nil {
		return err
	}
	open := notFull(counts)
	held, err := revocationsInPages(ctx, tx, account, open)
	if err != nil {
		return err
	}
	plan := planPages(append(mattering(held, expired), moving...), open, lastPage(counts))
	for _, p := range plan {
		if err := writePage(ctx, tx, account, p, now); err != nil {
			return err
		}
	}
	if err := movePages(ctx, tx, account, movesTo(plan, held, expired)); err != nil {
		return err
	}
	return deletePages(ctx, tx, account, open[min(len(plan), len(open)):])
}

func writePage(ctx context.Context, tx pgx.Tx, account Account, p revocationPage, now time.Time) error {
	page, err := claims.EncodeRevocationPage(revokedOf(p.revocations))
	if err != nil {
		return err
	}
	return upsertPage(ctx, tx, account, p.number, page, p.expiresAt(), now)
}
