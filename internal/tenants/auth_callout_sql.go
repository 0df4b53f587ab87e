package tenants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// checkAuthCallout refuses what the account's settings name and is not there, or
// is not the tenant's.
func checkAuthCallout(ctx context.Context, tx pgx.Tx, account Account, set AccountSettings) error {
	var errs faults
	if c := set.AuthCallout; c != nil {
		users, _ := c.split()
		known, err := usersInAccount(ctx, tx, account, users)
		if err != nil {
			return err
		}
		for i, user := range c.AuthUsers {
			if slices.Contains(users, UserID(user)) && !slices.Contains(known, UserID(user)) {
				errs.add(fault.Field(fmt.Sprintf("/auth_callout/auth_users/%d", i), "the account has no user %s", user))
			}
		}
		allowed, err := siblings(ctx, tx, account, c.AllowedAccounts)
		if err != nil {
			return err
		}
		for i, id := range c.AllowedAccounts {
			if !slices.ContainsFunc(allowed, func(s sibling) bool { return s.ID == id }) {
				errs.add(fault.Field(fmt.Sprintf("/auth_callout/allowed_accounts/%d", i), "it is none of the tenant's other accounts under the same operator"))
			}
		}
	}
	roles, err := rolesForKeys(ctx, tx, account)
	if err != nil {
		return err
	}
	for i, key := range set.SigningKeys {
		at := fmt.Sprintf("/signing_keys/%d", i)
		if _, taken := roles.byKey(key.PublicKey); taken || key.PublicKey == account.PublicKey {
			errs.add(fault.Field(at+"/public_key", "this is a key of the account already"))
		}
		if key.RoleID != "" {
			errs.add(fault.At(at+"/role_id", roles.check(key.RoleID)))
		}
	}
	return errors.Join(errs...)
}

func usersInAccount(ctx context.Context, q querier, account Account, ids []UserID) ([]UserID, error) {
	const query = `
		SELECT id
		FROM users
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND id = ANY(@ids)
		AND deleted_at IS NULL`
	rows, _ := q.Query(ctx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "ids": notNull(ids)})
	return pgx.CollectRows(rows, pgx.RowTo[UserID])
}

// sibling is another account of the same tenant and operator.
type sibling struct {
	ID        AccountID
	PublicKey claims.AccountKey
}

func siblings(ctx context.Context, q querier, account Account, ids []AccountID) ([]sibling, error) {
	const query = `
		SELECT id, public_key
		FROM accounts
		WHERE tenant_id = @tenant
		AND operator_id = @operator
		AND id = ANY(@ids)
		AND id <> @account
		AND deleted_at IS NULL
		ORDER BY id`
	return all[sibling](ctx, q, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "operator": account.OperatorID, "account": account.ID, "ids": notNull(ids)})
}

// keyedRole is as much of a role as a signing key needs.
type keyedRole struct {
	ID                 RoleID
	PublicKey          claims.AccountKey
	Private            bool
	ConnectionsPerUser *int64
}

type keyedRoles []keyedRole

func (list keyedRoles) byID(id RoleID) (keyedRole, bool) {
	return list.find(func(r keyedRole) bool { return r.ID == id })
}

func (list keyedRoles) byKey(key claims.AccountKey) (keyedRole, bool) {
	return list.find(func(r keyedRole) bool { return r.PublicKey == key })
}

func (list keyedRoles) find(is func(keyedRole) bool) (keyedRole, bool) {
	at := slices.IndexFunc(list, is)
	if at < 0 {
		return keyedRole{}, false
	}
	return list[at], true
}

// check refuses a role that is none of the account's, or not for others to use.
func (list keyedRoles) check(id RoleID) error {
	if r, ok := list.byID(id); !ok || r.Private {
		return fault.New(fault.Invalid, "the account has no role %s", id)
	}
	return nil
}

func rolesForKeys(ctx context.Context, q querier, account Account) (keyedRoles, error) {
	const query = `
		SELECT id, public_key, private_user_id IS NOT NULL AS private, connections_per_user
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND deleted_at IS NULL`
	return all[keyedRole](ctx, q, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
}

// calloutToSign is what the account's JWT has to say of its authorization service.
// Nobody stands in for users who have no credential: with an empty list the JWT
// would leave no login to the service.
func calloutToSign(ctx context.Context, q querier, account Account, now time.Time) (*claims.Callout, error) {
	c := account.Settings.AuthCallout
	if c == nil {
		return nil, nil
	}
	users, keys := c.split()
	const query = `
		SELECT public_key
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND user_id = ANY(@users)
		AND revoked_at IS NULL
		AND (expires_at IS NULL OR expires_at > @expired)
		ORDER BY id DESC
		LIMIT @limit`
	rows, _ := q.Query(ctx, query, pgx.StrictNamedArgs{
		"tenant": account.TenantID, "account": account.ID, "users": notNull(users), "expired": now.Add(-revocationGrace), "limit": claims.MaxCalloutUsers,
	})
	found, err := pgx.CollectRows(rows, pgx.RowTo[claims.UserKey])
	if err != nil {
		return nil, fmt.Errorf("read the credentials of account %s that its service does not judge: %w", account.ID, err)
	}
	said := &claims.Callout{XKey: c.XKey, Users: append(keys, found...)}
	if said.Users = said.Users[:min(claims.MaxCalloutUsers, len(said.Users))]; len(said.Users) == 0 {
		said.Users = []claims.UserKey{claims.Nobody(account.PublicKey)}
	}
	allowed, err := siblings(ctx, q, account, c.AllowedAccounts)
	said.Accounts = column(allowed, func(s sibling) claims.AccountKey { return s.PublicKey })
	return said, err
}

// signingKeysToSign adds the tenant's own signing keys to what the account's JWT
// says: those for a role as that role under another key. One whose role is gone signs nothing.
func signingKeysToSign(ctx context.Context, q querier, account Account, said *claims.Account) error {
	if len(account.Settings.SigningKeys) == 0 {
		return nil
	}
	roles, err := rolesForKeys(ctx, q, account)
	if err != nil {
		return err
	}
	for _, key := range account.Settings.SigningKeys {
		if key.RoleID == "" {
			said.SigningKeys = append(said.SigningKeys, key.PublicKey)
			continue
		}
		known, ok := roles.byID(key.RoleID)
		if !ok {
			continue
		}
		role := said.Roles[slices.IndexFunc(said.Roles, func(r claims.Role) bool { return r.Key == known.PublicKey })]
		role.Key = key.PublicKey
		said.Roles = append(said.Roles, role)
		if most := known.ConnectionsPerUser; most != nil {
			if said.RoleConnections == nil {
				said.RoleConnections = map[claims.AccountKey]int64{}
			}
			said.RoleConnections[key.PublicKey] = *most
		}
	}
	slices.Sort(said.SigningKeys)
	return nil
}
