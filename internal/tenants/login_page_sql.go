package tenants

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// loginRow is a [loginRecord] as it is kept.
type loginRow struct {
	paged
	LoginDigest   []byte
	PublicKey     claims.UserKey
	UserName      string
	LoginUsername string
	RoleKey       claims.AccountKey
	Tags          []string
	IssuedAt      time.Time
	RevokedAt     *time.Time
}

const selectLogins = `
	SELECT credentials.id, credentials.login_digest, credentials.public_key, users.name AS user_name, credentials.login_username,
		roles.public_key AS role_key, credentials.tags, credentials.issued_at, credentials.expires_at, credentials.revoked_at, credentials.login_page AS page
	FROM credentials
	JOIN users ON users.id = credentials.user_id
	JOIN roles ON roles.id = credentials.role_id
	WHERE credentials.tenant_id = @tenant
	AND credentials.account_id = @account`

func (r loginRow) record() loginRecord {
	record := loginRecord{
		DeviceLogin: claims.DeviceLogin{User: r.PublicKey, Name: r.UserName, Username: r.LoginUsername, Role: r.RoleKey, Tags: r.Tags, IssuedAt: r.IssuedAt, ExpiresAt: orNever(r.Expires)},
		paged:       r.paged, RevokedAt: r.RevokedAt,
	}
	copy(record.Digest[:], r.LoginDigest)
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
