package tenants

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// rewrite makes pages and rows what the plan says. Held are the records of the
// pages that it takes the place of.
func (t pageTable[R]) rewrite(ctx context.Context, tx pgx.Tx, account Account, plan []plannedPage[R], held []R, replaced []int64, now time.Time) error {
	for _, p := range plan {
		page, err := t.encode(p.records)
		if err != nil {
			return err
		}
		if err := t.upsert(ctx, tx, account, p.number, page, p.expiresAt(), now); err != nil {
			return err
		}
		replaced = slices.DeleteFunc(replaced, func(number int64) bool { return number == p.number })
	}
	if err := t.move(ctx, tx, account, movesTo(plan, held)); err != nil {
		return err
	}
	return t.delete(ctx, tx, account, replaced)
}

// toSign leaves out pages of which all had expired by then.
func (t pageTable[R]) toSign(ctx context.Context, tx pgx.Tx, account Account, since time.Time) ([]claims.PageHash, error) {
	query := `
		SELECT hash
		FROM ` + t.name + `
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND (expires_at IS NULL OR expires_at > @since)
		ORDER BY number`
	rows, _ := tx.Query(ctx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "since": since})
	pages, err := pgx.CollectRows(rows, pgx.RowTo[claims.PageHash])
	if err != nil {
		return nil, fmt.Errorf("read the %s of account %s: %w", t.name, account.ID, err)
	}
	return pages, nil
}

// count is of all the account's pages.
func (t pageTable[R]) count(ctx context.Context, tx pgx.Tx, account Account, since time.Time) ([]pageCount, error) {
	query := `
		SELECT number, length(records)::bigint AS bytes, (
			SELECT count(*)
			FROM credentials
			WHERE tenant_id = @tenant
			AND account_id = @account
			AND ` + t.column + ` = number
			AND ` + t.matters + `
		) AS matters
		FROM ` + t.name + `
		WHERE tenant_id = @tenant
		AND account_id = @account
		ORDER BY number`
	return all[pageCount](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "since": since})
}

func (t pageTable[R]) upsert(ctx context.Context, tx pgx.Tx, account Account, number int64, page claims.Page, expires *time.Time, now time.Time) error {
	query := `
		INSERT INTO ` + t.name + ` (tenant_id, account_id, number, records, expires_at, created_at, updated_at)
		VALUES (@tenant, @account, @number, @records, @expires, @now, @now)
		ON CONFLICT (tenant_id, account_id, number) DO UPDATE
		SET records = EXCLUDED.records,
			expires_at = EXCLUDED.expires_at,
			updated_at = EXCLUDED.updated_at`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"tenant": account.TenantID, "account": account.ID, "number": number, "records": page.Bytes(), "expires": expires, "now": now,
	})
	return err
}

// move does not ask for the account, which the ids imply: by it the planner
// would look through all its credentials for each of them.
func (t pageTable[R]) move(ctx context.Context, tx pgx.Tx, account Account, moves pageMoves) error {
	if len(moves.ids) == 0 {
		return nil
	}
	query := `
		UPDATE credentials
		SET ` + t.column + ` = moves.number
		FROM unnest(@ids::text[], @numbers::bigint[]) AS moves (id, number)
		WHERE credentials.id = moves.id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "ids": moves.ids, "numbers": moves.numbers})
	return err
}

func (t pageTable[R]) delete(ctx context.Context, tx pgx.Tx, account Account, numbers []int64) error {
	if len(numbers) == 0 {
		return nil
	}
	query := `
		DELETE FROM ` + t.name + `
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND number = ANY(@numbers)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "numbers": numbers})
	return err
}

// Page is the page with that name, if one of the operator's accounts has it now;
// NotFound also when another has taken its place.
func (s *Service) Page(ctx context.Context, operator OperatorID, name claims.PageName) (claims.Page, error) {
	return pageByName(ctx, s.pool, operator, name)
}

func pageByName(ctx context.Context, q querier, operator OperatorID, name claims.PageName) (claims.Page, error) {
	table, known := map[claims.PageKind]string{
		claims.RevocationKind: revocationPages.name, claims.LoginKind: loginPages.name, claims.TrustKind: "trust_pages",
	}[name.Kind]
	if !known {
		return nil, notFound("page", name.String())
	}
	query := `
		SELECT pages.records
		FROM ` + table + ` AS pages
		JOIN accounts ON accounts.tenant_id = pages.tenant_id AND accounts.id = pages.account_id
		WHERE pages.hash = @hash
		AND accounts.operator_id = @operator
		AND accounts.deleted_at IS NULL
		LIMIT 1`
	records, err := value[[]byte](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "hash": name.Hash})
	if err != nil {
		return nil, found(err, "page", name.String())
	}
	return claims.DecodePage(name, records)
}
