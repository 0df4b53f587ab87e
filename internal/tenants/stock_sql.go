package tenants

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

const selectPack = `
	FROM (
		SELECT operator_id, public_key, revision, jwt
		FROM account_jwts
		UNION ALL
		SELECT id, system_public_key, 0, system_jwt
		FROM operators
	) AS pack
	WHERE operator_id = @operator`

func pack(ctx context.Context, q querier, operator OperatorID, after claims.AccountKey, limit int) ([]AccountJWT, error) {
	const query = `
		SELECT ` + accountJWTColumns + selectPack + `
		AND public_key > @after
		ORDER BY public_key
		LIMIT @limit`
	return all[AccountJWT](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "after": after, "limit": limit})
}

func packHash(ctx context.Context, q querier, operator OperatorID) (hash [sha256.Size]byte, err error) {
	const query = `
		SELECT bit_xor(('x' || encode(sha256(convert_to(jwt, 'UTF8')), 'hex'))::bit(256))::text` + selectPack
	bits, err := value[string](ctx, q, query, pgx.StrictNamedArgs{"operator": operator})
	if err != nil {
		return hash, fmt.Errorf("hash the account JWTs of %s: %w", operator, err)
	}
	for i, bit := range bits {
		if bit == '1' {
			hash[i/8] |= 1 << (7 - i%8)
		}
	}
	return hash, nil
}

// differingJWTs are those that are not the same for stock servers, and perhaps some more.
func differingJWTs(ctx context.Context, q querier, operator OperatorID) ([]AccountJWT, error) {
	const query = `
		SELECT ` + accountJWTColumns + `
		FROM accounts
		WHERE operator_id = @operator
		AND id IN (
			SELECT account_id
			FROM revocation_pages
			UNION
			SELECT account_id
			FROM credentials
			WHERE stale_since IS NOT NULL
			AND revoked_at IS NULL
			AND kind = 'creds'
		)`
	return all[AccountJWT](ctx, q, query, pgx.StrictNamedArgs{"operator": operator})
}

// longestRevocations are the account's revocations that had not expired by
// then, in pages or not: at most limit, those that will matter longest.
func longestRevocations(ctx context.Context, q querier, key claims.AccountKey, expired time.Time, limit int) (list []revocation, leftOut int64, err error) {
	const query = `
		WITH owner AS (
			SELECT tenant_id AS tenant, id AS account
			FROM accounts
			WHERE public_key = @key
		), revoked AS (
			SELECT ` + revocationColumns + `
			FROM owner
			JOIN credentials ON tenant_id = tenant AND account_id = account
			WHERE revoked_at IS NOT NULL
			AND revocation_page IS NULL
			AND coalesce(expires_at, 'infinity') > @expired
			UNION ALL
			SELECT ` + revocationColumns + `
			FROM owner
			JOIN credentials ON tenant_id = tenant AND account_id = account
			WHERE revocation_page IS NOT NULL
			AND coalesce(expires_at, 'infinity') > @expired
		)
		SELECT id, page, expires_at, public_key, revoked_at, count(*) OVER () AS total
		FROM revoked
		ORDER BY expires_at DESC NULLS FIRST, revoked_at DESC, id
		LIMIT @limit`
	rows, err := all[struct {
		revocation
		Total int64
	}](ctx, q, query, pgx.StrictNamedArgs{"key": key, "expired": expired, "limit": limit})
	if err != nil {
		return nil, 0, fmt.Errorf("read the revocations of account %s: %w", key, err)
	}
	for _, row := range rows {
		list = append(list, row.revocation)
		leftOut = row.Total - int64(len(rows))
	}
	return list, leftOut, nil
}
