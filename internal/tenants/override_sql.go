package tenants

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// overridesToSign are the users of whom the account's JWT has to say what they
// are, since their credentials do not: those with a number or types of connections of
// their own, and those with credentials in use from before they were moved or
// had other tags. It reads those, however many others the account has; and one
// more than there may be, which is then refused.
func overridesToSign(ctx context.Context, q querier, account Account, now time.Time) ([]claims.UserOverride, error) {
	const query = `
		WITH differing AS (
			SELECT id
			FROM users
			WHERE tenant_id = @tenant
			AND account_id = @account
			AND (connections IS NOT NULL OR connection_types <> '{}')
			AND deleted_at IS NULL
			UNION
			SELECT user_id
			FROM credentials
			WHERE tenant_id = @tenant
			AND account_id = @account
			AND stale_since IS NOT NULL
			AND revoked_at IS NULL
			AND (expires_at IS NULL OR expires_at > @expired)
		)
		SELECT users.name, roles.public_key AS role, users.tags, coalesce(users.connections, roles.connections_per_user, -1) AS connections, users.connection_types
		FROM differing
		JOIN users ON users.id = differing.id
		JOIN roles ON roles.id = users.role_id
		WHERE users.tenant_id = @tenant
		AND users.deleted_at IS NULL
		LIMIT @limit`
	list, err := all[claims.UserOverride](ctx, q, query, pgx.StrictNamedArgs{
		"tenant": account.TenantID, "account": account.ID, "expired": now.Add(-revocationGrace), "limit": claims.MaxOverrides + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("read the users of account %s that differ from their credentials: %w", account.ID, err)
	}
	slices.SortFunc(list, func(a, b claims.UserOverride) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// roleConnectionsToSign are how many connections each user in a role may have,
// where there is such a limit.
func roleConnectionsToSign(ctx context.Context, tx pgx.Tx, account Account) (map[claims.AccountKey]int64, error) {
	const query = `
		SELECT public_key, connections_per_user
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND connections_per_user IS NOT NULL
		AND deleted_at IS NULL`
	list, err := all[struct {
		PublicKey          claims.AccountKey
		ConnectionsPerUser int64
	}](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	limits := make(map[claims.AccountKey]int64, len(list))
	for _, role := range list {
		limits[role.PublicKey] = role.ConnectionsPerUser
	}
	return limits, nil
}

// movedRevocations are the account's credentials in use whose users are in
// another role, or have other tags, than these say. A server that knows nothing
// of overrides must not let them in: to it, they are revoked since then.
func movedRevocations(ctx context.Context, q querier, key claims.AccountKey, expired time.Time) ([]revocation, error) {
	const query = `
		SELECT credentials.id, credentials.public_key, credentials.stale_since AS revoked_at, credentials.expires_at, credentials.revocation_page AS page
		FROM accounts
		JOIN credentials ON credentials.tenant_id = accounts.tenant_id AND credentials.account_id = accounts.id
		WHERE accounts.public_key = @key
		AND credentials.kind = 'creds'
		AND credentials.stale_since IS NOT NULL
		AND credentials.revoked_at IS NULL
		AND (credentials.expires_at IS NULL OR credentials.expires_at > @expired)
		ORDER BY credentials.id`
	list, err := all[revocation](ctx, q, query, pgx.StrictNamedArgs{"key": key, "expired": expired})
	if err != nil {
		return nil, fmt.Errorf("read the credentials of moved users of account %s: %w", key, err)
	}
	return list, nil
}
