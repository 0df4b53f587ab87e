package tenants

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// CreateAccount makes an account with its default role under the default
// operator, or another that staff names. It takes a Developer. A full plan is OverLimit, limits beyond the
// plan's are Invalid at /limits/…, a name in use is a Conflict at /name.
func (s *Service) CreateAccount(ctx context.Context, actor Actor, tenant TenantID, once Once, p AccountCreate) (Account, error) {
	chosen := p.OperatorID != ""
	if !chosen || !actor.Staff {
		if err := actor.Require(tenant, Developer); err != nil {
			return Account{}, err
		}
	}
	if chosen && !actor.Staff {
		return Account{}, fault.Field("/operator_id", "only staff choose an account's operator")
	}
	id := NewID[AccountID]("acc")
	fresh := func(tx pgx.Tx) (Account, error) { return s.addAccount(ctx, tx, actor, tenant, id, p, s.clock()) }
	again := func(tx pgx.Tx, id AccountID) (Account, error) {
		if chosen {
			return lockAccountAnywhere(ctx, tx, id)
		}
		return accountByID(ctx, tx, actor, id)
	}
	return create(ctx, s, actor, once, id, fresh, again)
}

// addAccount makes an account that the actor may make. It ends with a Bump.
func (s *Service) addAccount(ctx context.Context, tx pgx.Tx, actor Actor, tenant TenantID, id AccountID, p AccountCreate, now time.Time) (Account, error) {
	plan, err := lockPlan(ctx, tx, tenant)
	if err != nil {
		return Account{}, err
	}
	left, err := plan.leftFor(ctx, tx, tenant, id)
	if err != nil {
		return Account{}, err
	}
	limits := p.Limits.Apply(plan.gives(plan.AccountLimits, left))
	spec := AccountSpec{Name: p.Name, Description: p.Description, Tags: p.Tags, Limits: limits, Settings: p.Settings}
	if err := errors.Join(spec.validate(), plan.allows(spec.Limits), plan.allowsTypes(spec.Settings.ConnectionTypes),
		freshAuthorities(spec.Settings.CertificateAuthorities, nil, now)); err != nil {
		return Account{}, err
	}
	operator, err := operatorOrDefault(ctx, tx, p.OperatorID)
	if err != nil {
		return Account{}, err
	}
	open := RoleSpec{Name: DefaultRole, Template: claims.OpenTemplate()}
	return s.insertAccount(ctx, tx, actor, plan, tenant, operator.ID, id, "createAccount", spec, []RoleSpec{open}, now)
}

// insertAccount makes an account with these roles. The plan is locked.
func (s *Service) insertAccount(ctx context.Context, tx pgx.Tx, actor Actor, plan Plan, tenant TenantID, operator OperatorID, id AccountID, action string, spec AccountSpec, roles []RoleSpec, now time.Time) (Account, error) {
	if err := spec.validate(); err != nil {
		return Account{}, err
	}
	if err := plan.checkFit(ctx, tx, tenant, id, claims.Limits{}, spec.Limits); err != nil {
		return Account{}, err
	}
	count, err := countAccounts(ctx, tx, tenant)
	if err != nil {
		return Account{}, err
	}
	if err := plan.room(count, plan.MaxAccounts, "accounts"); err != nil {
		return Account{}, err
	}
	key, sealed, err := s.newAccountKey()
	if err != nil {
		return Account{}, err
	}
	account, err := insertAccount(ctx, tx, tenant, operator, id, key, sealed, spec, now)
	if err != nil {
		return Account{}, err
	}
	for _, role := range roles {
		if _, err := s.addRole(ctx, tx, account, NewID[RoleID]("rol"), nil, role, now); err != nil {
			return Account{}, err
		}
	}
	if err := insertAudit(ctx, tx, &tenant, actor.ID, action, string(id), now); err != nil {
		return Account{}, err
	}
	return s.announced(ctx, tx, account, now)
}

// CloneAccount makes an account with the settings and roles of another, under a
// new name: without its users, and with keys of its own. Limits that the plan
// does not give any more are lowered to it. It takes a Developer.
func (s *Service) CloneAccount(ctx context.Context, actor Actor, of AccountID, once Once, name string) (Account, error) {
	id := NewID[AccountID]("acc")
	fresh := func(tx pgx.Tx) (Account, error) { return s.cloneAccount(ctx, tx, actor, of, id, name) }
	again := func(tx pgx.Tx, id AccountID) (Account, error) { return accountByID(ctx, tx, actor, id) }
	return create(ctx, s, actor, once, id, fresh, again)
}

func (s *Service) cloneAccount(ctx context.Context, tx pgx.Tx, actor Actor, of, id AccountID, name string) (Account, error) {
	source, err := accountByID(ctx, tx, actor, of)
	if err != nil {
		return Account{}, err
	}
	if err := actor.Require(source.TenantID, Developer); err != nil {
		return Account{}, err
	}
	plan, err := lockPlan(ctx, tx, source.TenantID)
	if err != nil {
		return Account{}, err
	}
	if source, err = lockAccount(ctx, tx, actor, of, Developer); err != nil {
		return Account{}, err
	}
	roles, err := roleSpecs(ctx, tx, source)
	if err != nil {
		return Account{}, err
	}
	left, err := plan.leftFor(ctx, tx, source.TenantID, id)
	if err != nil {
		return Account{}, err
	}
	spec := source.AccountSpec
	spec.Name, spec.Limits = name, plan.gives(spec.Limits, left)
	spec.Settings.AuthCallout, spec.Settings.SigningKeys = nil, nil // they name users and roles that stay behind
	return s.insertAccount(ctx, tx, actor, plan, source.TenantID, source.OperatorID, id, "cloneAccount", spec, roles, s.clock())
}

// Accounts lists the tenant's accounts, or those of them with one of these statuses.
func (s *Service) Accounts(ctx context.Context, actor Actor, tenant TenantID, q PageQuery, only ...AccountStatus) (Page[Account], error) {
	if err := actor.Require(tenant, Viewer); err != nil {
		return Page[Account]{}, err
	}
	k, err := q.NamedKeyset()
	if err != nil {
		return Page[Account]{}, err
	}
	accounts, err := accountsByTenant(ctx, s.pool, actor, tenant, k, only)
	return PageOf(k, accounts, func(a Account) (string, string) { return string(a.ID), a.Name }), err
}

// Account is one of an account of the actor's tenants.
func (s *Service) Account(ctx context.Context, actor Actor, id AccountID) (Account, error) {
	return accountByID(ctx, s.pool, actor, id)
}

// UpdateAccount has edit change a copy of what people chose about the account,
// and keeps, signs and announces the result, if it is another. It takes a
// Developer. Limits are held against the plan only when they change: a plan
// that became smaller does not stand in the way of a new name.
func (s *Service) UpdateAccount(ctx context.Context, actor Actor, id AccountID, match string, edit func(*AccountSpec) error) (Account, error) {
	return s.updateAccount(ctx, actor, id, match, "updateAccount", edit)
}

// UpdateMappings is UpdateAccount for the account's mappings alone.
func (s *Service) UpdateMappings(ctx context.Context, actor Actor, id AccountID, match string, mappings []claims.Mapping) (Account, error) {
	return s.updateAccount(ctx, actor, id, match, "updateMappings", func(spec *AccountSpec) error {
		spec.Settings.Mappings = mappings
		return nil
	})
}

func (s *Service) updateAccount(ctx context.Context, actor Actor, id AccountID, match, action string, edit func(*AccountSpec) error) (Account, error) {
	var account Account
	var settles bool
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		seen, err := accountByID(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		plan, err := lockPlan(ctx, tx, seen.TenantID)
		if err != nil {
			return err
		}
		if account, err = lockAccount(ctx, tx, actor, id, Developer); err != nil {
			return err
		}
		if err := matches(match, account.Version); err != nil {
			return err
		}
		spec := account.AccountSpec.clone()
		if err := edit(&spec); err != nil || spec.equal(account.AccountSpec) {
			return err
		}
		if err := checkAccountEdit(ctx, tx, plan, account, spec, s.clock()); err != nil {
			return err
		}
		now := s.clock()
		if spec.Limits != account.Limits {
			if settles, err = s.settle(ctx, tx, actor.ID, plan, account, now); err != nil {
				return err
			}
		}
		if account, err = updateAccount(ctx, tx, account, spec, now); err != nil {
			return err
		}
		if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, action, string(id), now); err != nil {
			return err
		}
		account, err = s.announced(ctx, tx, account, now)
		return err
	})
	if settles {
		s.wake()
	}
	return account, err
}

// checkAccountEdit holds against the plan, which is locked, what changes.
func checkAccountEdit(ctx context.Context, tx pgx.Tx, plan Plan, account Account, spec AccountSpec, now time.Time) error {
	errs := []error{spec.validate(), freshAuthorities(spec.Settings.CertificateAuthorities, account.Settings.CertificateAuthorities, now)}
	if errs[0] == nil && !spec.Settings.delegatesAs(account.Settings) {
		errs = append(errs, checkAuthCallout(ctx, tx, account, spec.Settings))
	}
	if !slices.Equal(spec.Settings.ConnectionTypes, account.Settings.ConnectionTypes) {
		errs = append(errs, plan.allowsTypes(spec.Settings.ConnectionTypes))
	}
	if spec.Limits == account.Limits {
		return errors.Join(errs...)
	}
	if err := errors.Join(append(errs, plan.allows(spec.Limits))...); err != nil {
		return err
	}
	return plan.checkFit(ctx, tx, account.TenantID, account.ID, account.Limits, spec.Limits)
}

// AccountDelivery tells whether the account's last change is in force at each
// of its operator's brokers and attached servers.
func (s *Service) AccountDelivery(ctx context.Context, actor Actor, id AccountID) (Delivery, error) {
	var delivery Delivery
	err := postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := accountByID(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		brokers, err := recipientsOf(ctx, tx, account.OperatorID)
		if err != nil {
			return err
		}
		receipts, err := feed.Receipts(ctx, tx, string(account.OperatorID))
		if err != nil {
			return err
		}
		delivery = account.delivery(brokers, receipts)
		return nil
	})
	return delivery, err
}

func (a Account) delivery(brokers []Broker, receipts map[string]feed.Receipt) Delivery {
	d := Delivery{Revision: a.Revision, Brokers: make([]BrokerDelivery, 0, len(brokers))}
	for _, b := range brokers {
		d.Brokers = append(d.Brokers, a.deliveryTo(b, receipts))
	}
	return d
}

// deliveryTo does not count a refusal of claims that have been replaced since.
func (a Account) deliveryTo(b Broker, receipts map[string]feed.Receipt) BrokerDelivery {
	receipt, heard := receipts[string(b.PublicKey)]
	d := BrokerDelivery{ID: b.ID, Kind: b.Kind, Broker: b.Name, Applied: receipt.Applied}
	if heard {
		d.HeardAt = &receipt.HeardAt
	}
	for _, refusal := range receipt.Refusals {
		if refusal.AccountKey == string(a.PublicKey) && refusal.Revision >= a.Revision {
			d.Refusal = refusal.Reason
			return d
		}
	}
	d.InForce = receipt.Applied >= a.Revision
	for _, effect := range receipt.Effects {
		if effect.AccountKey == string(a.PublicKey) && effect.Revision >= a.Revision {
			d.Closed = &effect.Closed
			break
		}
	}
	return d
}

// Change is the last that brokers must hear of.
func (a Account) Change() Change {
	return Change{OperatorID: a.OperatorID, AccountKey: a.PublicKey, Revision: a.Revision}
}

// DeliveryOf tells whether a change is in force at each of the operator's
// brokers and attached servers by now. The account may have been deleted by the change.
func (s *Service) DeliveryOf(ctx context.Context, c Change) (Delivery, error) {
	var delivery Delivery
	err := postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) error {
		brokers, err := recipientsOf(ctx, tx, c.OperatorID)
		if err != nil {
			return err
		}
		receipts, err := feed.Receipts(ctx, tx, string(c.OperatorID))
		if err != nil {
			return err
		}
		account := Account{OperatorID: c.OperatorID, PublicKey: c.AccountKey, Revision: c.Revision}
		delivery = account.delivery(brokers, receipts)
		return nil
	})
	return delivery, err
}

// Endpoints are where clients of the account can connect: those of all its
// operator's brokers, sorted, each once, with those of brokers that have not been
// heard for a while last.
func (s *Service) Endpoints(ctx context.Context, actor Actor, id AccountID) (Endpoints, error) {
	account, err := accountByID(ctx, s.pool, actor, id)
	if err != nil {
		return Endpoints{}, err
	}
	var heard, silent []Broker
	err = postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) error {
		brokers, err := brokersOf(ctx, tx, account.OperatorID)
		if err != nil {
			return err
		}
		if err := setReceipts(ctx, tx, account.OperatorID, brokers); err != nil {
			return err
		}
		now, err := databaseTime(ctx, tx)
		if err != nil {
			return err
		}
		for _, b := range brokers {
			if b.HeardAt != nil && now.Sub(*b.HeardAt) < reachable {
				heard = append(heard, b)
			} else {
				silent = append(silent, b)
			}
		}
		return nil
	})
	return endpointsOf(heard, silent), err
}
