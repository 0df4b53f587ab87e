package tenants

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// CreateRole makes a role in the account. It takes a Developer. Bad
// permissions are Invalid at /permissions/…, a name in use is a Conflict at
// /name, a full plan is OverLimit.
func (s *Service) CreateRole(ctx context.Context, actor Actor, account AccountID, once Once, p RoleSpec) (Role, error) {
	id := NewID[RoleID]("rol")
	fresh := func(tx pgx.Tx) (Role, error) { return s.createRole(ctx, tx, actor, account, id, p) }
	again := func(tx pgx.Tx, id RoleID) (Role, error) { return roleByID(ctx, tx, actor, id, s.clock()) }
	return create(ctx, s, actor, once, id, fresh, again)
}

func (s *Service) createRole(ctx context.Context, tx pgx.Tx, actor Actor, in AccountID, id RoleID, spec RoleSpec) (Role, error) {
	account, err := lockAccount(ctx, tx, actor, in, Developer)
	if err != nil {
		return Role{}, err
	}
	if err := errors.Join(spec.validate(), account.allowsTypes(spec.Template.ConnectionTypes)); err != nil {
		return Role{}, err
	}
	if err := roomForRole(ctx, tx, account); err != nil {
		return Role{}, err
	}
	now := s.clock()
	role, err := s.addRole(ctx, tx, account, id, nil, spec, now)
	if err != nil {
		return Role{}, err
	}
	if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "createRole", string(id), now); err != nil {
		return Role{}, err
	}
	_, err = s.announce(ctx, tx, account, now)
	return role, err
}

// roomForRole holds one role more against the plan. Users' own permissions
// count: each is a key in the account's JWT, which has an end.
func roomForRole(ctx context.Context, tx pgx.Tx, account Account) error {
	plan, err := planByTenant(ctx, tx, account.TenantID)
	if err != nil {
		return err
	}
	count, err := countRoles(ctx, tx, account)
	if err != nil {
		return err
	}
	return plan.room(count, plan.MaxRoles, "roles in an account, users' own permissions included")
}

// addRole inserts a role with a new key; of says whose it is, if only one user's.
func (s *Service) addRole(ctx context.Context, tx pgx.Tx, account Account, id RoleID, of *UserID, spec RoleSpec, now time.Time) (Role, error) {
	key, sealed, err := s.newAccountKey()
	if err != nil {
		return Role{}, err
	}
	return insertRole(ctx, tx, account, id, of, key, sealed, spec, now)
}

// Roles lists the account's roles.
func (s *Service) Roles(ctx context.Context, actor Actor, account AccountID, q PageQuery) (Page[Role], error) {
	k, err := q.NamedKeyset()
	if err != nil {
		return Page[Role]{}, err
	}
	in, err := accountByID(ctx, s.pool, actor, account)
	if err != nil {
		return Page[Role]{}, err
	}
	roles, err := rolesByAccount(ctx, s.pool, in, k, s.clock())
	return PageOf(k, roles, func(r Role) (string, string) { return string(r.ID), r.Name }), err
}

// Role is one role in the actor's tenants.
func (s *Service) Role(ctx context.Context, actor Actor, id RoleID) (Role, error) {
	return roleByID(ctx, s.pool, actor, id, s.clock())
}

// UpdateRole has edit change a copy of what people chose about the role, and
// keeps, signs and announces the result, if it is another. It holds for every
// user in the role. It takes a Developer.
func (s *Service) UpdateRole(ctx context.Context, actor Actor, id RoleID, match string, edit func(*RoleSpec) error) (Role, error) {
	var role Role
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountOf(ctx, tx, actor, "roles", "role", string(id), Developer)
		if err != nil {
			return err
		}
		now := s.clock()
		if role, err = roleByID(ctx, tx, actor, id, now); err != nil {
			return err
		}
		if err := matches(match, role.Version); err != nil {
			return err
		}
		spec := role.RoleSpec.clone()
		if err := edit(&spec); err != nil {
			return err
		}
		if spec.equal(role.RoleSpec) {
			return nil
		}
		if err := spec.validate(); err != nil {
			return err
		}
		if role.Private && spec.Name != role.Name {
			return fault.Field("/name", "these are a user's own permissions, and named after it")
		}
		if !slices.Equal(spec.Template.ConnectionTypes, role.Template.ConnectionTypes) {
			if err := account.allowsTypes(spec.Template.ConnectionTypes); err != nil {
				return err
			}
		}
		if role, err = updateRole(ctx, tx, role, spec, now); err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "updateRole", string(id), now); err != nil {
			return err
		}
		_, err = s.announce(ctx, tx, account, now)
		return err
	})
	return role, err
}

// DeleteRole takes the role's key out of the account and forgets its seed. One
// with users is a Conflict. Credentials that it signed for users who have moved
// on end with it: they are revoked, and counted. It takes a Developer.
func (s *Service) DeleteRole(ctx context.Context, actor Actor, id RoleID, match string) (revoked int64, err error) {
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountOf(ctx, tx, actor, "roles", "role", string(id), Developer)
		if err != nil {
			return err
		}
		now := s.clock()
		role, err := roleByID(ctx, tx, actor, id, now)
		if err != nil {
			return err
		}
		if err := matches(match, role.Version); err != nil {
			return err
		}
		used, err := roleHasUsers(ctx, tx, role)
		if err != nil {
			return err
		}
		if used {
			return fault.New(fault.Conflict, "the role %s has users; move them to another role, or delete them, first", role.Name)
		}
		if revoked, err = revokeCredentialsOfRole(ctx, tx, role, now); err != nil {
			return err
		}
		if err := deleteRole(ctx, tx, role, now); err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "deleteRole", string(id), now); err != nil {
			return err
		}
		_, err = s.announce(ctx, tx, account, now)
		return err
	})
	return revoked, err
}
