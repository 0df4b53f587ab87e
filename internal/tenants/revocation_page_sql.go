package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

const revocationColumns = `id, public_key, revoked_at, expires_at, revocation_page`

// inlineRevocations are those in no page that still matter, the oldest first.
func inlineRevocations(ctx context.Context, q querier, account Account, expired time.Time) ([]revocation, error) {
	const query = `
		SELECT ` + revocationColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND revoked_at IS NOT NULL
		AND revocation_page IS NULL
		AND coalesce(expires_at, 'infinity') > @expired
		ORDER BY revoked_at, id`
	list, err := all[revocation](ctx, q, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "expired": expired})
	if err != nil {
		return nil, fmt.Errorf("read the revocations of account %s: %w", account.ID, err)
	}
	return list, nil
}

// revocationsInPages are all in those pages, expired ones included, page by page.
func revocationsInPages(ctx context.Context, tx pgx.Tx, account Account, numbers []int64) ([]revocation, error) {
	const query = `
		SELECT ` + revocationColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND revocation_page = ANY(@numbers)
		ORDER BY array_position(@numbers::bigint[], revocation_page), id`
	return all[revocation](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "numbers": numbers})
}

// pagesToSign leaves out pages of which nothing matters any more.
func pagesToSign(ctx context.Context, tx pgx.Tx, account Account, expired time.Time) ([]claims.PageHash, error) {
	const query = `
		SELECT hash
		FROM revocation_pages
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND (expires_at IS NULL OR expires_at > @expired)
		ORDER BY number`
	rows, _ := tx.Query(ctx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "expired": expired})
	pages, err := pgx.CollectRows(rows, pgx.RowTo[claims.PageHash])
	if err != nil {
		return nil, fmt.Errorf("read the revocation pages of account %s: %w", account.ID, err)
	}
	return pages, nil
}

func countPages(ctx context.Context, tx pgx.Tx, account Account, expired time.Time) ([]pageCount, error) {
	const query = `
		SELECT number, (
			SELECT count(*)
			FROM credentials
			WHERE tenant_id = @tenant
			AND account_id = @account
			AND revocation_page = number
			AND coalesce(credentials.expires_at, 'infinity') > @expired
		) AS matters
		FROM revocation_pages
		WHERE tenant_id = @tenant
		AND account_id = @account
		ORDER BY number`
	return all[pageCount](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "expired": expired})
}

func upsertPage(ctx context.Context, tx pgx.Tx, account Account, number int64, page claims.RevocationPage, expires *time.Time, now time.Time) error {
	const query = `
		INSERT INTO revocation_pages (tenant_id, account_id, number, records, expires_at, created_at, updated_at)
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

// movePages does not ask for the account, which the ids imply: by it the planner
// would look through all its credentials for each of them.
func movePages(ctx context.Context, tx pgx.Tx, account Account, moves pageMoves) error {
	const query = `
		UPDATE credentials
		SET revocation_page = moves.number
		FROM unnest(@ids::text[], @numbers::bigint[]) AS moves (id, number)
		WHERE credentials.id = moves.id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "ids": moves.ids, "numbers": moves.numbers})
	return err
}

func deletePages(ctx context.Context, tx pgx.Tx, account Account, numbers []int64) error {
	const query = `
		DELETE FROM revocation_pages
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND number = ANY(@numbers)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "numbers": numbers})
	return err
}

func pageByHash(ctx context.Context, q querier, operator OperatorID, hash claims.PageHash) ([]byte, error) {
	const query = `
		SELECT revocation_pages.records
		FROM revocation_pages
		JOIN accounts ON accounts.tenant_id = revocation_pages.tenant_id AND accounts.id = revocation_pages.account_id
		WHERE revocation_pages.hash = @hash
		AND accounts.operator_id = @operator
		AND accounts.deleted_at IS NULL
		LIMIT 1`
	records, err := value[[]byte](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "hash": hash})
	return records, found(err, "revocation page", string(hash))
}
