package tenants

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const (
	enrollmentPrefix = "sbe_"
	brokerPrefix     = "sbb_"
	minTokenLength   = 20 // characters of a pre-shared enrolment token
	maxTokenLength   = 512

	maxEnrollmentUses = 1000
	maxEnrollmentTTL  = 30 * 24 * time.Hour

	// What a pre-shared enrolment token is good for, from each start of control on.
	sharedEnrollmentUses = 1_000_000
	sharedEnrollmentTTL  = 10 * 365 * 24 * time.Hour
)

// newToken makes a token with 256 random bits, and its hash, which is all that is kept.
func newToken(prefix string) (token string, hash []byte) {
	var secret [32]byte
	rand.Read(secret[:])
	token = prefix + crockford.EncodeToString(secret[:])
	return token, hashToken(token)
}

// hashToken needs no salt: nobody guesses 256 bits.
func hashToken(token string) []byte {
	hash := sha256.Sum256([]byte(token))
	return hash[:]
}

// CreateEnrollment makes a token with which so many brokers may enrol under the
// operator, the default one if empty, within ttl. It is for staff.
func (s *Service) CreateEnrollment(ctx context.Context, actor Actor, operator OperatorID, uses int64, ttl time.Duration) (Enrollment, string, error) {
	if err := actor.requireStaff(); err != nil {
		return Enrollment{}, "", err
	}
	if err := validateEnrollment(uses, ttl); err != nil {
		return Enrollment{}, "", err
	}
	token, hash := newToken(enrollmentPrefix)
	var enrollment Enrollment
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		under, err := operatorOrDefault(ctx, tx, operator)
		if err != nil {
			return err
		}
		now := s.clock()
		e := Enrollment{ID: NewID[EnrollmentID]("enr"), OperatorID: under.ID, Uses: uses, ExpiresAt: now.Add(ttl), CreatedAt: now}
		if err := insertEnrollment(ctx, tx, e, hash, actor.ID); err != nil {
			return err
		}
		enrollment = e
		return insertAudit(ctx, tx, nil, actor.ID, "createEnrollment", string(e.ID), now)
	})
	if err != nil {
		return Enrollment{}, "", err
	}
	return enrollment, token, nil
}

func validateEnrollment(uses int64, ttl time.Duration) error {
	var errs []error
	if uses < 1 || uses > maxEnrollmentUses {
		errs = append(errs, fault.Field("/uses", "1 to %d brokers may enrol with one token", maxEnrollmentUses))
	}
	if ttl < time.Second || ttl > maxEnrollmentTTL {
		errs = append(errs, fault.Field("/expires_in", "at least a second, at most 30 days"))
	}
	return errors.Join(errs...)
}

// operatorOrDefault is the operator of an id in a request's body.
func operatorOrDefault(ctx context.Context, tx pgx.Tx, id OperatorID) (Operator, error) {
	if id == "" {
		return operatorByDefault(ctx, tx)
	}
	operator, err := operatorByID(ctx, tx, id)
	if errors.Is(err, fault.NotFound) {
		return Operator{}, fault.Field("/operator_id", "there is no such operator")
	}
	return operator, err
}

// EnsureEnrollment makes a token that the installation's configuration holds
// valid for the default operator, for many brokers and years; doing it again
// renews it. The one configured before stops working, so tokens can be changed;
// an empty one only ends that. Otherwise it has at least 20 characters.
func (s *Service) EnsureEnrollment(ctx context.Context, token string) error {
	if token != "" && (len(token) < minTokenLength || len(token) > maxTokenLength) {
		return fault.New(fault.Invalid, "an enrolment token has %d to %d characters", minTokenLength, maxTokenLength)
	}
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := deleteOtherEnrollments(ctx, tx, installation, hashToken(token)); err != nil || token == "" {
			return err
		}
		operator, err := operatorByDefault(ctx, tx)
		if err != nil {
			return err
		}
		now := s.clock()
		return renewEnrollment(ctx, tx, Enrollment{
			ID: NewID[EnrollmentID]("enr"), OperatorID: operator.ID, Uses: sharedEnrollmentUses, ExpiresAt: now.Add(sharedEnrollmentTTL), CreatedAt: now,
		}, hashToken(token), installation)
	})
}

// EnrollBroker seats a broker under the operator that the enrolment token is
// for. The same key again gets the same seat, at what it says of itself now, and a new
// bearer token in place of the one before; that uses nothing up. A token that is unknown,
// expired or used up is Unauthenticated, a name that another key has is a
// Conflict at /name, a key under another operator one at /public_key.
func (s *Service) EnrollBroker(ctx context.Context, enrollmentToken string, key claims.UserKey, p BrokerSpec) (Seat, error) {
	var seat Seat
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		now := s.clock()
		enrollment, err := lockEnrollment(ctx, tx, hashToken(enrollmentToken), now)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.Unauthenticated, "this enrolment token is unknown, expired or used up")
		}
		if err != nil {
			return err
		}
		_, keyErr := claims.ParseUserKey(string(key))
		if err := errors.Join(fault.At("/public_key", keyErr), p.validate()); err != nil {
			return err
		}
		seat, err = s.seat(ctx, tx, enrollment, key, p, now)
		return err
	})
	return seat, err
}

func (s *Service) seat(ctx context.Context, tx pgx.Tx, enrollment Enrollment, key claims.UserKey, p BrokerSpec, now time.Time) (Seat, error) {
	operator, err := shareOperator(ctx, tx, enrollment.OperatorID)
	if err != nil {
		return Seat{}, err
	}
	removed, err := operator.removedBrokers()
	if err != nil {
		return Seat{}, err
	}
	if slices.Contains(removed, key) {
		return Seat{}, &fault.Error{Kind: fault.Conflict, Pointer: "/public_key",
			Message: "this broker was removed; without the identity in its data directory it enrols as another"}
	}
	token, hash := newToken(brokerPrefix)
	broker, isNew, err := upsertBroker(ctx, tx, operator.ID, key, hash, p, GoesBy{OperatorJWTID: claims.OperatorJWTID(operator.JWT), System: operator.SystemPublicKey}, now)
	if err != nil {
		return Seat{}, err
	}
	if isNew {
		if err := useEnrollment(ctx, tx, enrollment.ID); err != nil {
			return Seat{}, err
		}
	}
	if err := insertAudit(ctx, tx, nil, string(enrollment.ID), "enrollBroker", string(broker.ID), now); err != nil {
		return Seat{}, err
	}
	jwt, err := s.signSystemUser(ctx, tx, operator.ID, "", key, p.Name, brokerTemplate(key))
	return Seat{Broker: broker, Token: token, Operator: operator, System: operator.system(), BrokerJWT: jwt}, err
}

// AnnounceBroker notes where the broker can be reached now, and what it goes by,
// and signs its user of the system account anew, with what a broker may do by
// now. The seat is in the operator's system account, which may be another than its server
// is in: then it is for the broker's next start. One that does not say which it is in
// gets the seat there. A token that is not that broker's is Unauthenticated.
func (s *Service) AnnounceBroker(ctx context.Context, brokerToken string, id BrokerID, p BrokerPlace, by GoesBy) (Seat, error) {
	var seat Seat
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		broker, err := brokerByToken(ctx, tx, id, hashToken(brokerToken))
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.Unauthenticated, "this broker was removed, or has enrolled again since and got another token")
		}
		if err != nil {
			return err
		}
		if err := p.validate(); err != nil {
			return err
		}
		seat.Broker = broker
		if seat.Operator, err = shareOperator(ctx, tx, broker.OperatorID); err != nil {
			return err
		}
		if seat.System, err = seatFor(ctx, tx, seat.Operator, broker, by.System); err != nil {
			return err
		}
		by.System = cmp.Or(by.System, seat.System.Key)
		if err := updateBrokerPlace(ctx, tx, id, p, by, s.clock()); err != nil {
			return err
		}
		seat.BrokerJWT, err = s.signSystemUser(ctx, tx, broker.OperatorID, seat.System.Key, broker.PublicKey, broker.Name, brokerTemplate(broker.PublicKey))
		return err
	})
	s.wake()
	return seat, err
}

// RemoveBroker forgets a broker that does not come back, for staff: nothing waits
// for it any more, what it held of counted connections is free at once, and its
// user of the system account is revoked for all time. One that was heard just
// now is a Conflict: it serves clients, who would stay.
func (s *Service) RemoveBroker(ctx context.Context, actor Actor, id BrokerID) error {
	if err := actor.requireStaff(); err != nil {
		return err
	}
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		broker, err := brokerByID(ctx, tx, id)
		if err != nil {
			return err
		}
		operator, err := lockOperator(ctx, tx, broker.OperatorID)
		if err != nil {
			return err
		}
		if err := silent(ctx, tx, broker); err != nil {
			return err
		}
		if err := lockSharesOf(ctx, tx, broker.PublicKey); err != nil {
			return err
		}
		if err := deleteBroker(ctx, tx, broker); err != nil {
			return err
		}
		if err := feed.ForgetReceipt(ctx, tx, string(operator.ID), string(broker.PublicKey)); err != nil {
			return err
		}
		if err := s.signSystemAccount(ctx, tx, operator, broker.PublicKey); err != nil {
			return err
		}
		if _, err := s.signOperator(ctx, tx, operator.ID); err != nil {
			return err
		}
		now := s.clock()
		if err := finishPurges(ctx, tx, operator.ID, now); err != nil {
			return err
		}
		return insertAudit(ctx, tx, nil, actor.ID, "removeBroker", string(id), now)
	})
	s.wake()
	return err
}

// silent is a Conflict while the broker is being heard.
func silent(ctx context.Context, tx pgx.Tx, b Broker) error {
	receipts, err := feed.Receipts(ctx, tx, string(b.OperatorID))
	if err != nil {
		return err
	}
	now, err := databaseTime(ctx, tx)
	if err != nil {
		return err
	}
	if r, heard := receipts[string(b.PublicKey)]; heard && now.Sub(r.HeardAt) < reachable {
		return fault.New(fault.Conflict, "the broker %s is connected; stop it first, and remove it %d seconds later", b.Name, int(reachable.Seconds()))
	}
	return nil
}
