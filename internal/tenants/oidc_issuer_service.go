package tenants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const (
	readKeysEvery  = 10 * time.Minute // and some, so that not all issuers are asked at once
	retryKeysAfter = time.Minute
	readKeysWithin = 30 * time.Second // after which another replica may try
	hurryAfter     = 5 * time.Second  // how often unknown keys have an issuer's read again
)

// CreateOIDCIssuer has the account take an issuer's tokens, once its keys have
// been read. It takes a Developer. What is wrong with the issuer is Invalid at /url.
func (s *Service) CreateOIDCIssuer(ctx context.Context, actor Actor, account AccountID, once Once, spec OIDCIssuerSpec) (OIDCIssuer, error) {
	in, err := accountByID(ctx, s.pool, actor, account)
	if err != nil {
		return OIDCIssuer{}, err
	}
	if err := actor.mayChange(in, Developer); err != nil {
		return OIDCIssuer{}, err
	}
	if err := spec.validate(); err != nil {
		return OIDCIssuer{}, err
	}
	keys, err := s.issuerKeys(ctx, spec.URL)
	if err != nil {
		return OIDCIssuer{}, err
	}
	id := NewID[OIDCIssuerID]("oid")
	fresh := func(tx pgx.Tx) (OIDCIssuer, error) {
		account, err := lockAccount(ctx, tx, actor, account, Developer)
		if err != nil {
			return OIDCIssuer{}, err
		}
		if err := checkRules(ctx, tx, account, spec); err != nil {
			return OIDCIssuer{}, err
		}
		n, err := countOIDCIssuers(ctx, tx, account)
		if err != nil {
			return OIDCIssuer{}, err
		}
		if n >= maxOIDCIssuers {
			return OIDCIssuer{}, fault.New(fault.OverLimit, "an account takes the tokens of %d issuers at most", maxOIDCIssuers)
		}
		now := s.clock()
		issuer, err := insertOIDCIssuer(ctx, tx, account, id, spec, keys, readAgain(now), now)
		if err != nil {
			return OIDCIssuer{}, err
		}
		return issuer, s.issuerChanged(ctx, tx, actor, account, issuer, "createOidcIssuer", now)
	}
	again := func(tx pgx.Tx, id OIDCIssuerID) (OIDCIssuer, error) { return oidcIssuerByID(ctx, tx, actor, id) }
	return create(ctx, s, actor, once, id, fresh, again)
}

// issuerKeys reads an issuer's keys. Nothing of the database is held meanwhile.
func (s *Service) issuerKeys(ctx context.Context, url string) (json.RawMessage, error) {
	if s.IssuerKeys == nil {
		return nil, fault.New(fault.Unavailable, "this installation reads no issuers' keys")
	}
	keys, err := s.IssuerKeys(ctx, url)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Pointer: "/url", Message: err.Error(), Cause: err}
	}
	return keys, nil
}

// readAgain is when an issuer's keys are to be read next.
func readAgain(now time.Time) time.Time {
	return now.Add(readKeysEvery + rand.N(readKeysEvery/2))
}

// checkRules refuses roles that the account does not have.
func checkRules(ctx context.Context, tx pgx.Tx, account Account, spec OIDCIssuerSpec) error {
	roles, err := rolesForKeys(ctx, tx, account)
	if err != nil {
		return err
	}
	var errs faults
	for i, r := range spec.Rules {
		errs.add(fault.At(fmt.Sprintf("/rules/%d/role_id", i), roles.check(r.RoleID)))
	}
	return errors.Join(errs...)
}

func (s *Service) issuerChanged(ctx context.Context, tx pgx.Tx, actor Actor, account Account, issuer OIDCIssuer, action string, now time.Time) error {
	if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, action, string(issuer.ID), now); err != nil {
		return err
	}
	_, err := s.announce(ctx, tx, account, now)
	return err
}

// OIDCIssuers lists the issuers whose tokens the account takes.
func (s *Service) OIDCIssuers(ctx context.Context, actor Actor, account AccountID, q PageQuery) (Page[OIDCIssuer], error) {
	k, err := q.Keyset()
	if err != nil {
		return Page[OIDCIssuer]{}, err
	}
	in, err := accountByID(ctx, s.pool, actor, account)
	if err != nil {
		return Page[OIDCIssuer]{}, err
	}
	list, err := oidcIssuersByAccount(ctx, s.pool, in, k)
	return PageOf(k, list, func(i OIDCIssuer) (string, string) { return string(i.ID), "" }), err
}

// OIDCIssuer is one issuer of one of the actor's accounts.
func (s *Service) OIDCIssuer(ctx context.Context, actor Actor, id OIDCIssuerID) (OIDCIssuer, error) {
	return oidcIssuerByID(ctx, s.pool, actor, id)
}

// UpdateOIDCIssuer has edit change a copy of what people chose. Connections that came
// by a rule which is another now end. It takes a Developer.
func (s *Service) UpdateOIDCIssuer(ctx context.Context, actor Actor, id OIDCIssuerID, match string, edit func(*OIDCIssuerSpec) error) (OIDCIssuer, error) {
	before, err := oidcIssuerByID(ctx, s.pool, actor, id)
	if err != nil {
		return OIDCIssuer{}, err
	}
	in, err := accountByID(ctx, s.pool, actor, before.AccountID)
	if err != nil {
		return OIDCIssuer{}, err
	}
	if err := actor.mayChange(in, Developer); err != nil { // before anything is read for them
		return OIDCIssuer{}, err
	}
	wanted := before.OIDCIssuerSpec.clone()
	if err := edit(&wanted); err != nil {
		return OIDCIssuer{}, err
	}
	keys := before.Keys
	if wanted.URL != before.URL {
		if keys, err = s.issuerKeys(ctx, wanted.URL); err != nil {
			return OIDCIssuer{}, err
		}
	}
	var issuer OIDCIssuer
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountOf(ctx, tx, actor, "oidc_issuers", "issuer", string(id), Developer)
		if err != nil {
			return err
		}
		if issuer, err = oidcIssuerByID(ctx, tx, actor, id); err != nil {
			return err
		}
		if err := matches(match, issuer.Version); err != nil {
			return err
		}
		spec := issuer.OIDCIssuerSpec.clone()
		if err := edit(&spec); err != nil || spec.equal(issuer.OIDCIssuerSpec) {
			return err
		}
		if spec.URL != wanted.URL || issuer.URL != before.URL {
			return fault.New(fault.Conflict, "the issuer was changed at the same moment; try again")
		}
		if err := errors.Join(spec.validate(), checkRules(ctx, tx, account, spec)); err != nil {
			return err
		}
		if spec.URL == issuer.URL {
			keys = issuer.Keys
		}
		now := s.clock()
		if issuer, err = updateOIDCIssuer(ctx, tx, issuer, spec, keys, now); err != nil {
			return err
		}
		return s.issuerChanged(ctx, tx, actor, account, issuer, "updateOidcIssuer", now)
	})
	return issuer, err
}

func (s OIDCIssuerSpec) clone() OIDCIssuerSpec {
	s.Audiences, s.Rules = slices.Clone(s.Audiences), slices.Clone(s.Rules)
	return s
}

// RevokeOIDCSubject ends what came by the subject's tokens, and takes none any more that
// was issued by now. Creds that were exchanged for them are no good any more either. It takes a Developer.
func (s *Service) RevokeOIDCSubject(ctx context.Context, actor Actor, id OIDCIssuerID, subject, reason string) (OIDCIssuer, error) {
	var issuer OIDCIssuer
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountOf(ctx, tx, actor, "oidc_issuers", "issuer", string(id), Developer)
		if err != nil {
			return err
		}
		if issuer, err = oidcIssuerByID(ctx, tx, actor, id); err != nil {
			return err
		}
		if subject == "" || len(subject) > maxSubjectBytes {
			return fault.Field("/subject", "what tokens have in sub, 1 to %d bytes", maxSubjectBytes)
		}
		if err := validateReason(reason); err != nil {
			return err
		}
		now := s.clock()
		issuer.Revoked = slices.DeleteFunc(slices.Clone(issuer.Revoked), func(r RevokedSubject) bool { return r.Subject == subject })
		if len(issuer.Revoked) >= maxRevoked {
			return fault.New(fault.OverLimit, "%d subjects of the issuer are revoked already; keep others out by a rule's conditions", maxRevoked)
		}
		issuer.Revoked = append(issuer.Revoked, RevokedSubject{Subject: subject, Reason: reason, At: now})
		if issuer, err = updateRevokedSubjects(ctx, tx, issuer, now); err != nil {
			return err
		}
		if err := insertReasonedAudit(ctx, tx, &account.TenantID, actor.ID, "revokeOidcSubject", string(issuer.ID), reason, now); err != nil {
			return err
		}
		_, err = s.announce(ctx, tx, account, now)
		return err
	})
	return issuer, err
}

// DeleteOIDCIssuer ends what came by the issuer's tokens. It takes a Developer.
func (s *Service) DeleteOIDCIssuer(ctx context.Context, actor Actor, id OIDCIssuerID, match string) error {
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountOf(ctx, tx, actor, "oidc_issuers", "issuer", string(id), Developer)
		if err != nil {
			return err
		}
		issuer, err := oidcIssuerByID(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		if err := matches(match, issuer.Version); err != nil {
			return err
		}
		if err := deleteOIDCIssuer(ctx, tx, issuer); err != nil {
			return err
		}
		return s.issuerChanged(ctx, tx, actor, account, issuer, "deleteOidcIssuer", s.clock())
	})
}

// KeyReaders is how many callers of [Service.ReadDueKeys] there should be, since each
// waits for an issuer that may take its time.
const KeyReaders = 8

// keyReading holds the tenants one of whose issuers is being read: one at a time, so
// that who has many, none of which answers, delays nobody else's.
type keyReading struct {
	mu      sync.Mutex
	tenants []TenantID
}

func (r *keyReading) done(tenant TenantID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tenants = slices.DeleteFunc(r.tenants, func(t TenantID) bool { return t == tenant })
}

// ReadDueKeys reads the keys of those issuers again whose time it is. Any
// replica may call it, as often as it likes, and at once: each issuer is one's.
func (s *Service) ReadDueKeys(ctx context.Context) error {
	for {
		issuer, err := s.takeDueIssuer(ctx)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find an issuer whose keys are due: %w", err)
		}
		err = s.readKeys(ctx, issuer)
		s.reading.done(issuer.TenantID)
		if err != nil {
			return err
		}
	}
}

func (s *Service) takeDueIssuer(ctx context.Context) (OIDCIssuer, error) {
	s.reading.mu.Lock()
	defer s.reading.mu.Unlock()
	now := s.clock()
	issuer, err := dueOIDCIssuer(ctx, s.pool, "", s.reading.tenants, now, now.Add(readKeysWithin))
	if err == nil {
		s.reading.tenants = append(s.reading.tenants, issuer.TenantID)
	}
	return issuer, err
}

// readKeysOf reads the keys of the account's issuers whose time it is.
func (s *Service) readKeysOf(ctx context.Context, account Account) error {
	for {
		now := s.clock()
		issuer, err := dueOIDCIssuer(ctx, s.pool, account.ID, nil, now, now.Add(readKeysWithin))
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find an issuer of account %s whose keys are due: %w", account.ID, err)
		}
		if err := s.readKeys(ctx, issuer); err != nil {
			return err
		}
	}
}

// readKeys keeps what the issuer says by now. Brokers hear of it if it is something else.
func (s *Service) readKeys(ctx context.Context, issuer OIDCIssuer) error {
	keys, failure := s.issuerKeys(ctx, issuer.URL)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountAnywhere(ctx, tx, issuer.AccountID)
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		now := s.clock()
		if failure != nil {
			return keepOIDCFailure(ctx, tx, issuer, cut(fault.All(failure)[0].Message), now.Add(retryKeysAfter))
		}
		current, err := oidcIssuersToSign(ctx, tx, account)
		at := slices.IndexFunc(current, func(i OIDCIssuer) bool { return i.ID == issuer.ID && i.URL == issuer.URL })
		if err != nil || at < 0 {
			return err
		}
		if err := keepOIDCKeys(ctx, tx, issuer, keys, readAgain(now), now); err != nil {
			return err
		}
		if sameJSON(current[at].Keys, keys) || account.DeletingAt != nil {
			return nil
		}
		_, err = s.announce(ctx, tx, account, now)
		return err
	})
}

// sameJSON compares what Postgres has put in its own order with what it has not.
func sameJSON(a, b json.RawMessage) bool {
	plain := func(text json.RawMessage) []byte {
		var v any
		if json.Unmarshal(text, &v) != nil {
			return nil
		}
		out, _ := json.Marshal(v) // what was read can be written
		return out
	}
	return bytes.Equal(plain(a), plain(b))
}

// hurryKeys has the keys of issuers read soon of whom brokers report keys that nobody knows.
func (s *Service) hurryKeys(ctx context.Context, tx pgx.Tx, reports []RefusalReport) error {
	var accounts []claims.AccountKey
	for _, r := range reports {
		if r.Reason == claims.ErrTokenKey.Reason && !slices.Contains(accounts, r.AccountKey) {
			accounts = append(accounts, r.AccountKey)
		}
	}
	if len(accounts) == 0 {
		return nil
	}
	now := s.clock()
	return hurryOIDCIssuers(ctx, tx, accounts, now.Add(-hurryAfter), now)
}
