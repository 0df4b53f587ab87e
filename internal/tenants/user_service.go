package tenants

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// CreateUser makes a user in the account. Brokers need not hear of it: it has no
// credential yet. It takes a Developer. A role that the account does not have is
// Invalid at /role_id, a name in use is a Conflict at /name, a full plan is OverLimit.
func (s *Service) CreateUser(ctx context.Context, actor Actor, account AccountID, once Once, p UserSpec) (User, error) {
	id := NewID[UserID]("usr")
	fresh := func(tx pgx.Tx) (User, error) { return s.createUser(ctx, tx, actor, account, id, p) }
	again := func(tx pgx.Tx, id UserID) (User, error) { return userByID(ctx, tx, actor, id, s.clock()) }
	return create(ctx, s, actor, once, id, fresh, again)
}

func (s *Service) createUser(ctx context.Context, tx pgx.Tx, actor Actor, in AccountID, id UserID, spec UserSpec) (User, error) {
	account, err := lockAccount(ctx, tx, actor, in, Developer)
	if err != nil {
		return User{}, err
	}
	if err := spec.validate(); err != nil {
		return User{}, err
	}
	plan, err := planByTenant(ctx, tx, account.TenantID)
	if err != nil {
		return User{}, err
	}
	count, err := countUsers(ctx, tx, account, plan.MaxUsers)
	if err != nil {
		return User{}, err
	}
	if err := plan.room(count, plan.MaxUsers, "users in an account"); err != nil {
		return User{}, err
	}
	if spec.RoleID, err = roleForUser(ctx, tx, account, spec.RoleID); err != nil {
		return User{}, err
	}
	now := s.clock()
	if err := insertUser(ctx, tx, account, id, spec, now); err != nil {
		return User{}, err
	}
	if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "createUser", string(id), now); err != nil {
		return User{}, err
	}
	return userByID(ctx, tx, actor, id, now)
}

// roleForUser is the role that was asked for, or the default one.
func roleForUser(ctx context.Context, tx pgx.Tx, account Account, wanted RoleID) (RoleID, error) {
	role, err := roleIDInAccount(ctx, tx, account, wanted)
	if !errors.Is(err, pgx.ErrNoRows) {
		return role, err
	}
	if wanted == "" {
		return "", fault.Field("/role_id", "this account has no role named %s any more; say which role it is to be", DefaultRole)
	}
	return "", fault.Field("/role_id", "the account has no such role")
}

// Users lists the account's users.
func (s *Service) Users(ctx context.Context, actor Actor, account AccountID, q PageQuery) (Page[User], error) {
	k, err := q.NamedKeyset()
	if err != nil {
		return Page[User]{}, err
	}
	in, err := accountByID(ctx, s.pool, actor, account)
	if err != nil {
		return Page[User]{}, err
	}
	users, err := usersByAccount(ctx, s.pool, in, k, s.clock())
	return PageOf(k, users, func(u User) (string, string) { return string(u.ID), u.Name }), err
}

// User is one user in the actor's tenants.
func (s *Service) User(ctx context.Context, actor Actor, id UserID) (User, error) {
	return userByID(ctx, s.pool, actor, id, s.clock())
}

// DeleteUser ends the user and revokes all its credentials. It takes a Developer.
func (s *Service) DeleteUser(ctx context.Context, actor Actor, id UserID, match string) (Change, error) {
	var change Change
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountOf(ctx, tx, actor, "users", "user", string(id), Developer)
		if err != nil {
			return err
		}
		version, err := lockUser(ctx, tx, account, id)
		if err != nil {
			return err
		}
		if err := matches(match, version); err != nil {
			return err
		}
		now := s.clock()
		if err := deleteUser(ctx, tx, account, id, now); err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "deleteUser", string(id), now); err != nil {
			return err
		}
		revoked, err := revokeCredentialsOfUser(ctx, tx, account, id, "the user was deleted", now)
		if err != nil {
			return err
		}
		if revoked > 0 {
			account.Revision, err = s.announce(ctx, tx, account, now)
		}
		change = account.Change()
		return err
	})
	return change, err
}

// UserNames are whose credentials these keys are, in the account; those that are
// not are left out. The caller may see the account.
func (s *Service) UserNames(ctx context.Context, account Account, keys []claims.UserKey) (map[claims.UserKey]string, error) {
	return userNames(ctx, s.pool, account, keys)
}
