package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// loginRow is a [loginRecord] as it is kept.
type loginRow struct {
	ID            CredentialID
	LoginDigest   []byte
	PublicKey     claims.UserKey
	UserName      string
	LoginUsername string
	RoleKey       claims.AccountKey
	Tags          []string
	IssuedAt      time.Time
	ExpiresAt     *time.Time
	RevokedAt     *time.Time
	LoginPage     *int64
}

const selectLogins = `
	SELECT credentials.id, credentials.login_digest, credentials.public_key, users.name AS user_name, credentials.login_username,
		roles.public_key AS role_key, credentials.tags, credentials.issued_at, credentials.expires_at, credentials.revoked_at, credentials.login_page
	FROM credentials
	JOIN users ON users.id = credentials.user_id
	JOIN roles ON roles.id = credentials.role_id
	WHERE credentials.tenant_id = @tenant
	AND credentials.account_id = @account`

func (r loginRow) record() loginRecord {
	record := loginRecord{
		DeviceLogin: claims.DeviceLogin{User: r.PublicKey, Name: r.UserName, Username: r.LoginUsername, Role: r.RoleKey, Tags: r.Tags, IssuedAt: r.IssuedAt},
		ID:          r.ID, Page: r.LoginPage, RevokedAt: r.RevokedAt, Expires: r.ExpiresAt,
	}
	copy(record.Digest[:], r.LoginDigest)
	if r.ExpiresAt != nil {
		record.ExpiresAt = *r.ExpiresAt
	}
	return record
}

// loginsInPages are all in those pages, page by page.
func loginsInPages(ctx context.Context, tx pgx.Tx, account Account, numbers []int64) ([]loginRecord, error) {
	const query = selectLogins + `
		AND credentials.login_page = ANY(@numbers)
		ORDER BY array_position(@numbers::bigint[], credentials.login_page), credentials.id`
	rows, err := all[loginRow](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "numbers": numbers})
	return column(rows, loginRow.record), err
}

// loginByDigest is the one that a page has; [pgx.ErrNoRows] when none does.
func loginByDigest(ctx context.Context, tx pgx.Tx, account Account, digest claims.LoginDigest) (loginRecord, error) {
	const query = selectLogins + `
		AND credentials.login_digest = @digest
		AND credentials.login_page IS NOT NULL`
	row, err := one[loginRow](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "digest": digest[:]})
	return row.record(), err
}

// countLogins is how many are in the account's pages.
func countLogins(ctx context.Context, tx pgx.Tx, account Account) (int64, error) {
	const query = `
		SELECT coalesce(sum(logins), 0)::bigint
		FROM login_pages
		WHERE tenant_id = @tenant
		AND account_id = @account`
	return value[int64](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
}

// countActiveLogins counts no further than the limit.
func countActiveLogins(ctx context.Context, tx pgx.Tx, account Account, now time.Time, limit int64) (int64, error) {
	const query = `
		SELECT count(*)
		FROM (
			SELECT
			FROM credentials
			WHERE tenant_id = @tenant
			AND account_id = @account
			AND login_page IS NOT NULL
			AND revoked_at IS NULL
			AND (expires_at IS NULL OR expires_at > @now)
			LIMIT @limit
		) AS counted`
	return value[int64](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "now": now, "limit": limit})
}

// countLoginPages are the account's closed pages, with how many of each one's
// logins were neither revoked nor expired by then.
func countLoginPages(ctx context.Context, tx pgx.Tx, account Account, since time.Time) ([]loginPageCount, error) {
	const query = `
		SELECT number, length(records)::bigint AS bytes, (
			SELECT count(*)
			FROM credentials
			WHERE tenant_id = @tenant
			AND account_id = @account
			AND login_page = number
			AND (revoked_at IS NULL OR revoked_at > @since)
			AND (credentials.expires_at IS NULL OR credentials.expires_at > @since)
		) AS matters
		FROM login_pages
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND number <> @open
		ORDER BY number`
	return all[loginPageCount](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "since": since, "open": openLoginPage})
}

// loginPagesToSign leaves out pages of which all has expired.
func loginPagesToSign(ctx context.Context, tx pgx.Tx, account Account, now time.Time) ([]claims.PageHash, error) {
	const query = `
		SELECT hash
		FROM login_pages
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND (expires_at IS NULL OR expires_at > @since)
		ORDER BY number`
	rows, _ := tx.Query(ctx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "since": now.Add(-loginsKeptFor)})
	pages, err := pgx.CollectRows(rows, pgx.RowTo[claims.PageHash])
	if err != nil {
		return nil, fmt.Errorf("read the pages of device logins of account %s: %w", account.ID, err)
	}
	return pages, nil
}

func upsertLoginPage(ctx context.Context, tx pgx.Tx, account Account, number int64, page claims.LoginPage, expires *time.Time, now time.Time) error {
	const query = `
		INSERT INTO login_pages (tenant_id, account_id, number, records, logins, expires_at, created_at, updated_at)
		VALUES (@tenant, @account, @number, @records, @logins, @expires, @now, @now)
		ON CONFLICT (tenant_id, account_id, number) DO UPDATE
		SET records = EXCLUDED.records,
			logins = EXCLUDED.logins,
			expires_at = EXCLUDED.expires_at,
			updated_at = EXCLUDED.updated_at`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"tenant": account.TenantID, "account": account.ID, "number": number, "records": page.Bytes(), "logins": page.Len(), "expires": expires, "now": now,
	})
	return err
}

// moveLogins does not ask for the account, for the reason that movePages has.
func moveLogins(ctx context.Context, tx pgx.Tx, account Account, moves pageMoves) error {
	const query = `
		UPDATE credentials
		SET login_page = moves.number
		FROM unnest(@ids::text[], @numbers::bigint[]) AS moves (id, number)
		WHERE credentials.id = moves.id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "ids": moves.ids, "numbers": moves.numbers})
	return err
}

func deleteLoginPages(ctx context.Context, tx pgx.Tx, account Account, numbers []int64) error {
	const query = `
		DELETE FROM login_pages
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND number = ANY(@numbers)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "numbers": numbers})
	return err
}

func loginPageByHash(ctx context.Context, q querier, operator OperatorID, hash claims.PageHash) ([]byte, error) {
	const query = `
		SELECT login_pages.records
		FROM login_pages
		JOIN accounts ON accounts.tenant_id = login_pages.tenant_id AND accounts.id = login_pages.account_id
		WHERE login_pages.hash = @hash
		AND accounts.operator_id = @operator
		AND accounts.deleted_at IS NULL
		LIMIT 1`
	records, err := value[[]byte](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "hash": hash})
	return records, found(err, "page of device logins", string(hash))
}
