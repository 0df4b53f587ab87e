package tenants

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// CreateUser makes a user in the account. Brokers need not hear of it, since it
// has no credential yet, unless it comes with permissions, or a number or types of
// connections, of its own. It takes a Developer. A role that the account does not have is
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
	now := s.clock()
	user := User{ID: id, Name: spec.Name}
	if spec.RoleID, err = s.roleForUser(ctx, tx, actor, account, user, spec, now); err != nil {
		return User{}, err
	}
	if err := insertUser(ctx, tx, account, id, spec, now); err != nil {
		return User{}, err
	}
	if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "createUser", string(id), now); err != nil {
		return User{}, err
	}
	if spec.shown() {
		if _, err := s.announce(ctx, tx, account, now); err != nil {
			return User{}, err
		}
	}
	return userByID(ctx, tx, actor, id, now)
}

// roleForUser is the role that a user, as it is or about to be made, is to be in
// by the spec. Its own is made, or changed, to have the spec's permissions.
func (s *Service) roleForUser(ctx context.Context, tx pgx.Tx, actor Actor, account Account, user User, spec UserSpec, now time.Time) (RoleID, error) {
	was := user.Spec()
	role, own, err := spec.home(was)
	switch {
	case err != nil:
		return "", err
	case role != "" && role == was.RoleID:
		return role, nil
	case own:
		return s.ownRole(ctx, tx, actor, account, user, *spec.Permissions, now)
	}
	return sharedRole(ctx, tx, account, role)
}

// ownRole keeps all but the permissions as it is in the user's role, or was in
// the one that it leaves.
func (s *Service) ownRole(ctx context.Context, tx pgx.Tx, actor Actor, account Account, user User, permissions claims.Permissions, now time.Time) (RoleID, error) {
	from := Role{RoleSpec: RoleSpec{Template: claims.OpenTemplate()}}
	if user.RoleID != "" {
		var err error
		if from, err = roleByID(ctx, tx, actor, user.RoleID, now); err != nil {
			return "", err
		}
	}
	spec := from.RoleSpec.clone()
	spec.Name, spec.Template = user.Name, withPermissions(spec.Template, permissions)
	if !from.Private {
		spec.Description = ""
	}
	own, err := privateRole(ctx, tx, account, user.ID, now)
	switch {
	case err == nil:
		_, err = updateRole(ctx, tx, own, spec, now)
		return own.ID, err
	case !errors.Is(err, pgx.ErrNoRows):
		return "", err
	}
	if err := roomForRole(ctx, tx, account); err != nil {
		return "", err
	}
	own, err = s.addRole(ctx, tx, account, NewID[RoleID]("rol"), &user.ID, spec, now)
	return own.ID, err
}

// sharedRole is the role that was asked for, or the default one.
func sharedRole(ctx context.Context, tx pgx.Tx, account Account, wanted RoleID) (RoleID, error) {
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

// UpdateUser has edit change a copy of what people chose about the user, and
// keeps and announces the result, if it is another. It holds for the credentials
// that the user has: brokers judge them by the role, tags, and number and types of
// connections that the user has now. It takes a Developer.
//
// Up to 1,000 users of an account may have credentials from before such a change,
// or a number or types of connections of their own; one more is OverLimit.
func (s *Service) UpdateUser(ctx context.Context, actor Actor, id UserID, match string, edit func(*UserSpec) error) (User, error) {
	var user User
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
		if user, err = userByID(ctx, tx, actor, id, now); err != nil {
			return err
		}
		spec := user.Spec()
		if err := edit(&spec); err != nil || spec.equal(user.Spec()) {
			return err
		}
		if err := s.changeUser(ctx, tx, actor, account, user, spec, now); err != nil {
			return err
		}
		user, err = userByID(ctx, tx, actor, id, now)
		return err
	})
	return user, err
}

func (s *Service) changeUser(ctx context.Context, tx pgx.Tx, actor Actor, account Account, user User, spec UserSpec, now time.Time) (err error) {
	if spec.Name != user.Name {
		return fault.Field("/name", "a user keeps its name: its credentials say it")
	}
	if err := spec.validate(); err != nil {
		return err
	}
	if spec.RoleID, err = s.roleForUser(ctx, tx, actor, account, user, spec, now); err != nil {
		return err
	}
	if err := updateUser(ctx, tx, user, spec, now); err != nil {
		return err
	}
	if spec.RoleID != user.RoleID || !slices.Equal(spec.Tags, user.Tags) {
		if err := markMoved(ctx, tx, user, spec, now); err != nil {
			return err
		}
	}
	if _, err := dropOwnRole(ctx, tx, account, user.ID, spec.RoleID, now); err != nil {
		return err
	}
	if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "updateUser", string(user.ID), now); err != nil {
		return err
	}
	if user.ActiveCredentials == 0 && user.ActiveDeviceLogins == 0 && !user.Spec().shown() && !spec.shown() {
		return nil // nothing that brokers know of
	}
	_, err = s.announce(ctx, tx, account, now)
	return err
}

// dropOwnRole removes the user's own role, if it has one and is in another,
// unless that has signed credentials in use, which brokers judge by the other.
func dropOwnRole(ctx context.Context, tx pgx.Tx, account Account, user UserID, in RoleID, now time.Time) (dropped bool, err error) {
	own, err := privateRole(ctx, tx, account, user, now)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil, own.ID == in, own.MovedCredentials > 0:
		return false, err
	}
	return true, deleteRole(ctx, tx, own, now)
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
		capped, err := deleteUser(ctx, tx, account, id, now)
		if err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "deleteUser", string(id), now); err != nil {
			return err
		}
		revoked, err := revokeCredentialsOfUser(ctx, tx, account, id, "the user was deleted", now)
		if err != nil {
			return err
		}
		dropped, err := dropOwnRole(ctx, tx, account, id, "", now)
		if err != nil {
			return err
		}
		if revoked > 0 || dropped || capped {
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
