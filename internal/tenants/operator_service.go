package tenants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const (
	installation     = "system" // the actor of what nobody asked for
	defaultOperator  = "Signalbox"
	systemAccount    = "SYS"
	bootstrapLock    = 7_366_452_803 // an advisory lock; the number means nothing
	defaultPlan      = "Free"
	defaultAccounts  = 10
	defaultRoles     = 20
	defaultUsers     = 1000
	mebibyte         = 1 << 20
	defaultMemory    = 16 * mebibyte
	defaultDisk      = 1024 * mebibyte
	defaultConsumers = 100
)

// defaultLimits are generous enough for development.
func defaultLimits() claims.Limits {
	js := claims.UnlimitedJetStream()
	js.MemoryBytes, js.DiskBytes, js.Streams, js.Consumers = defaultMemory, defaultDisk, 10, defaultConsumers
	return claims.Limits{
		Connections: 100, LeafNodes: 5, Subscriptions: 1000, PayloadBytes: mebibyte, DataBytes: claims.Unlimited, Exports: 10, Imports: 10,
		WildcardExports: true, Bearer: true, JetStream: js,
	}
}

// Bootstrap makes what an installation cannot be without, as far as it is not
// there: the default plan, and the default operator with its signing key, system
// account and feed. Any number of replicas may call it at the same time.
func (s *Service) Bootstrap(ctx context.Context) (Operator, error) {
	var operator Operator
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := lockBootstrap(ctx, tx); err != nil {
			return err
		}
		now := s.clock()
		if err := s.addDefaultPlan(ctx, tx, now); err != nil {
			return err
		}
		existing, err := operatorByDefault(ctx, tx)
		if errors.Is(err, pgx.ErrNoRows) {
			spec := OperatorSpec{Name: defaultOperator, FirstAccount: true}
			existing, err = s.addOperator(ctx, tx, NewID[OperatorID]("opr"), spec, true, installation, "bootstrap", now)
		}
		operator = existing
		return err
	})
	if err != nil {
		return Operator{}, fmt.Errorf("bootstrap the installation: %w", err)
	}
	return operator, nil
}

// addDefaultPlan makes the default plan if there is none.
func (s *Service) addDefaultPlan(ctx context.Context, tx pgx.Tx, now time.Time) error {
	there, err := hasDefaultPlan(ctx, tx)
	if err != nil || there {
		return err
	}
	id := NewID[PlanID]("pln")
	_, err = insertPlan(ctx, tx, Plan{ID: id, VersionID: id, Version: 1, IsDefault: true, CreatedBy: installation, CreatedAt: now, PlanSpec: PlanSpec{
		Name: defaultPlan, MaxAccounts: defaultAccounts, MaxRoles: defaultRoles, MaxUsers: defaultUsers, MaxMembers: claims.Unlimited,
		AccountLimits: defaultLimits(), TenantLimits: UnlimitedTenant(),
	}})
	return err
}

func (s *Service) addOperator(ctx context.Context, tx pgx.Tx, id OperatorID, spec OperatorSpec, isDefault bool, by, action string, now time.Time) (Operator, error) {
	o, err := s.newOperator(id, spec, isDefault)
	if err != nil {
		return Operator{}, fmt.Errorf("make the operator's keys: %w", err)
	}
	operator, err := insertOperator(ctx, tx, o, now)
	if err != nil {
		return Operator{}, err
	}
	if err := feed.Open(ctx, tx, string(operator.ID)); err != nil {
		return Operator{}, err
	}
	return operator, insertAudit(ctx, tx, nil, by, action, string(operator.ID), now)
}

// newOperator makes all keys and both JWTs of an operator.
func (s *Service) newOperator(id OperatorID, spec OperatorSpec, isDefault bool) (sealedOperator, error) {
	o := sealedOperator{Operator: Operator{ID: id, OperatorSpec: spec, IsDefault: isDefault}}
	var err error
	if o.PublicKey, o.SealedSeed, err = s.newOperatorKey(); err != nil {
		return sealedOperator{}, err
	}
	if o.SigningPublicKey, o.SealedSigningSeed, err = s.newOperatorKey(); err != nil {
		return sealedOperator{}, err
	}
	if o.SystemPublicKey, o.SystemSealedSeed, err = s.newAccountKey(); err != nil {
		return sealedOperator{}, err
	}
	said := claims.Operator{
		Key: o.PublicKey, Name: o.Name, Tags: o.Tags, SigningKeys: []claims.OperatorKey{o.SigningPublicKey}, SystemAccount: o.SystemPublicKey,
	}
	o.JWT, err = s.sign(o.SealedSeed, string(o.PublicKey), func(own claims.Seed) (string, error) { return claims.EncodeOperator(said, own) })
	if err != nil {
		return sealedOperator{}, err
	}
	o.SystemJWT, err = s.sign(o.SealedSigningSeed, string(o.SigningPublicKey), func(signer claims.Seed) (string, error) {
		return claims.EncodeSystemAccount(o.SystemPublicKey, systemAccount, signer)
	})
	return o, err
}

// CreateOperator makes an operator with keys and a system account of its own, for
// staff. A name in use is a Conflict at /name.
func (s *Service) CreateOperator(ctx context.Context, actor Actor, once Once, spec OperatorSpec) (Operator, error) {
	if err := actor.requireStaff(); err != nil {
		return Operator{}, err
	}
	if err := spec.validate(); err != nil {
		return Operator{}, err
	}
	id := NewID[OperatorID]("opr")
	fresh := func(tx pgx.Tx) (Operator, error) {
		return s.addOperator(ctx, tx, id, spec, false, actor.ID, "createOperator", s.clock())
	}
	again := func(tx pgx.Tx, id OperatorID) (Operator, error) { return operatorByID(ctx, tx, id) }
	return create(ctx, s, actor, once, id, fresh, again)
}

// Operator is one operator, for staff.
func (s *Service) Operator(ctx context.Context, actor Actor, id OperatorID) (Operator, error) {
	if err := actor.requireStaff(); err != nil {
		return Operator{}, err
	}
	operator, err := operatorByID(ctx, s.pool, id)
	if err != nil {
		return Operator{}, err
	}
	operator.Revision, err = feed.Head(ctx, s.pool, string(id))
	return operator, err
}

// UpdateOperator has edit change a copy of what staff chose about the operator,
// and signs its JWT anew with the result, if it is another. Brokers hear of
// that; other servers read the JWT when they start.
func (s *Service) UpdateOperator(ctx context.Context, actor Actor, id OperatorID, match string, edit func(*OperatorSpec) error) (Operator, error) {
	return s.changeOperator(ctx, actor, id, match, "updateOperator", func(tx pgx.Tx, before Operator, now time.Time) (bool, error) {
		spec := before.OperatorSpec
		spec.Tags = slices.Clone(spec.Tags)
		if err := edit(&spec); err != nil || spec.equal(before.OperatorSpec) {
			return false, err
		}
		if err := spec.validate(); err != nil {
			return false, err
		}
		return true, updateOperator(ctx, tx, id, spec, now)
	})
}

// MakeDefaultOperator has new accounts go under the operator from now on, for
// staff. Those there are stay where they are.
func (s *Service) MakeDefaultOperator(ctx context.Context, actor Actor, id OperatorID) (Operator, error) {
	return s.changeOperator(ctx, actor, id, "", "makeDefaultOperator", func(tx pgx.Tx, before Operator, _ time.Time) (bool, error) {
		if before.IsDefault {
			return false, nil
		}
		return true, moveDefaultOperator(ctx, tx, id)
	})
}

// changeOperator changes an operator and then its JWT, if change says that it has.
func (s *Service) changeOperator(ctx context.Context, actor Actor, id OperatorID, match, action string, change func(tx pgx.Tx, before Operator, now time.Time) (bool, error)) (Operator, error) {
	if err := actor.requireStaff(); err != nil {
		return Operator{}, err
	}
	var operator Operator
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if err := lockBootstrap(ctx, tx); err != nil { // there is one default at a time
			return err
		}
		if operator, err = lockOperator(ctx, tx, id); err != nil {
			return err
		}
		if err := matches(match, operator.Version); err != nil {
			return err
		}
		now := s.clock()
		changed, err := change(tx, operator, now)
		if err != nil || !changed {
			return err
		}
		if operator, err = s.signOperator(ctx, tx, id); err != nil {
			return err
		}
		return insertAudit(ctx, tx, nil, actor.ID, action, string(id), now)
	})
	if err != nil {
		return Operator{}, err
	}
	operator.Revision, err = feed.Head(ctx, s.pool, string(id))
	return operator, err
}

// Operators lists all operators, for staff.
func (s *Service) Operators(ctx context.Context, actor Actor, q PageQuery) (Page[Operator], error) {
	if err := actor.requireStaff(); err != nil {
		return Page[Operator]{}, err
	}
	k, err := q.Keyset()
	if err != nil {
		return Page[Operator]{}, err
	}
	var operators []Operator
	err = postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if operators, err = operatorsByAge(ctx, tx, k); err != nil {
			return err
		}
		return setRevisions(ctx, tx, operators)
	})
	return PageOf(k, operators, func(o Operator) (string, string) { return string(o.ID), "" }), err
}

func setRevisions(ctx context.Context, q querier, operators []Operator) error {
	heads, err := feed.Heads(ctx, q)
	for i := range operators {
		operators[i].Revision = heads[string(operators[i].ID)]
	}
	return err
}

// Brokers lists the operator's brokers with what each has applied, for staff.
func (s *Service) Brokers(ctx context.Context, actor Actor, operator OperatorID, q PageQuery) (Page[Broker], error) {
	if err := actor.requireStaff(); err != nil {
		return Page[Broker]{}, err
	}
	k, err := q.Keyset()
	if err != nil {
		return Page[Broker]{}, err
	}
	var brokers []Broker
	err = postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := operatorByID(ctx, tx, operator); err != nil {
			return err
		}
		if brokers, err = brokersByOperator(ctx, tx, operator, k); err != nil {
			return err
		}
		return setReceipts(ctx, tx, operator, brokers)
	})
	return PageOf(k, brokers, func(b Broker) (string, string) { return string(b.ID), "" }), err
}

func setReceipts(ctx context.Context, q querier, operator OperatorID, brokers []Broker) error {
	receipts, err := feed.Receipts(ctx, q, string(operator))
	for i := range brokers {
		if r, heard := receipts[string(brokers[i].PublicKey)]; heard {
			brokers[i].Applied, brokers[i].HeardAt = r.Applied, &r.HeardAt
		}
	}
	return err
}

// OperatorDelivery is how far each of the operator's brokers and attached
// servers has come, and what it refused, for staff.
func (s *Service) OperatorDelivery(ctx context.Context, actor Actor, id OperatorID) (OperatorDelivery, error) {
	if err := actor.requireStaff(); err != nil {
		return OperatorDelivery{}, err
	}
	var d OperatorDelivery
	err := postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := operatorByID(ctx, tx, id); err != nil {
			return err
		}
		head, err := feed.Head(ctx, tx, string(id))
		if err != nil {
			return err
		}
		brokers, err := recipientsOf(ctx, tx, id)
		if err != nil {
			return err
		}
		receipts, err := feed.Receipts(ctx, tx, string(id))
		if err != nil {
			return err
		}
		d.Revision = head
		for _, b := range brokers {
			r, heard := receipts[string(b.PublicKey)]
			if heard {
				b.Applied, b.HeardAt = r.Applied, &r.HeardAt
			}
			d.Brokers = append(d.Brokers, BrokerReceipt{Broker: b, Refusals: r.Refusals})
		}
		return nil
	})
	return d, err
}

// ChangesSince are the operator's accounts that changed after since, with what
// brokers must hold of them, in revision order, at most limit of them, and the
// head. Fewer than limit means that these are all up to head. All of it is of
// one moment, so each JWT is the one of its revision.
func (s *Service) ChangesSince(ctx context.Context, operator OperatorID, since feed.Revision, limit int) ([]AccountJWT, feed.Revision, error) {
	var jwts []AccountJWT
	var head feed.Revision
	err := postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) error {
		changes, at, err := feed.Changes(ctx, tx, string(operator), since, limit)
		if err != nil {
			return err
		}
		head = at
		jwts, err = jwtsOfChanges(ctx, tx, operator, changes)
		return err
	})
	return jwts, head, err
}

func jwtsOfChanges(ctx context.Context, tx pgx.Tx, operator OperatorID, changes []feed.Change) ([]AccountJWT, error) {
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = c.AccountKey
	}
	jwts, err := accountJWTs(ctx, tx, operator, keys)
	if err != nil {
		return nil, err
	}
	if len(jwts) != len(changes) {
		return nil, fmt.Errorf("the feed of %s names %d accounts, of which there are %d", operator, len(changes), len(jwts))
	}
	return jwts, nil
}

// AccountJWTByKey is what brokers of the operator must hold of one account, its
// system account included: the current JWT, or the tombstone of a deleted account. To
// push it, label it with the revision of the change it is pushed for, not with
// its own, which may be ahead of the next change's.
func (s *Service) AccountJWTByKey(ctx context.Context, operator OperatorID, key claims.AccountKey) (AccountJWT, error) {
	if _, err := claims.ParseAccountKey(string(key)); err != nil {
		return AccountJWT{}, notFound("account", string(key))
	}
	return accountJWTByKey(ctx, s.pool, operator, key)
}

// BrokerSeats are all operators with their brokers.
func (s *Service) BrokerSeats(ctx context.Context) ([]OperatorBrokers, error) {
	var seats []OperatorBrokers
	err := postgres.InReadTx(ctx, s.pool, func(tx pgx.Tx) error {
		operators, err := allOperators(ctx, tx)
		if err != nil {
			return err
		}
		if err := setRevisions(ctx, tx, operators); err != nil {
			return err
		}
		seats = make([]OperatorBrokers, len(operators))
		for i, o := range operators {
			seats[i].Operator = o
			if seats[i].Brokers, err = brokersOf(ctx, tx, o.ID); err != nil {
				return err
			}
			if err := setReceipts(ctx, tx, o.ID, seats[i].Brokers); err != nil {
				return err
			}
		}
		return nil
	})
	return seats, err
}

// SystemUser makes a user of a system account of the operator's, the present one
// if empty, that may do what the template permits: control's own. Its key is new
// each time, and kept nowhere: the caller wipes the seed when it is done.
func (s *Service) SystemUser(ctx context.Context, operator OperatorID, system claims.AccountKey, name string, may claims.Template) (token string, seed claims.Seed, err error) {
	seed, err = claims.NewUserSeed()
	if err != nil {
		return "", claims.Seed{}, err
	}
	key, err := seed.UserKey()
	if err != nil {
		return "", claims.Seed{}, err
	}
	token, err = s.signSystemUser(ctx, s.pool, operator, system, key, name, may)
	if err != nil {
		seed.Wipe()
		return "", claims.Seed{}, err
	}
	return token, seed, nil
}

// CheckKeys fails unless the keyring opens the operator's seeds.
func (s *Service) CheckKeys(ctx context.Context, operator OperatorID) error {
	_, seed, err := s.SystemUser(ctx, operator, "", "check", claims.OpenTemplate())
	seed.Wipe()
	return err
}

// CountBrokers is how many brokers are enrolled under the operator.
func (s *Service) CountBrokers(ctx context.Context, operator OperatorID) (int, error) {
	return countBrokers(ctx, s.pool, operator)
}

func (s *Service) signSystemUser(ctx context.Context, q querier, operator OperatorID, in claims.AccountKey, key claims.UserKey, name string, may claims.Template) (string, error) {
	system, sealed, err := systemSeed(ctx, q, operator, in)
	if err != nil {
		return "", err
	}
	token, err := s.sign(sealed, string(system), func(signer claims.Seed) (string, error) {
		return claims.EncodeSystemUser(key, name, system, may, signer)
	})
	if err != nil {
		return "", fmt.Errorf("sign a user of the system account: %w", err)
	}
	return token, nil
}
