package tenants

import (
	"context"
	"crypto/sha256"
	"fmt"

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
