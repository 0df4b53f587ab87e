package tenants

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// IssueBatch issues a credential for each entry, in their order. It commits some
// at a time and hands them to deliver, which may take as long as it likes: only
// the next few are signed meanwhile. It ends with what deliver answers, if that
// is an error; what was committed stays. It takes a Developer.
//
// What is wrong with the batch as a whole, and that the plan has no room for it,
// is said before anything is committed. A batch with a key can be resumed: the
// same request, with how many of its credentials the caller has. The others that
// were issued are revoked, since nobody can tell who has them, and issued anew,
// so that each entry ends with one; where the caller keeps the seed there is
// nothing to revoke, only to sign anew. An attempt that still runs then issues
// nothing more.
func (s *Service) IssueBatch(ctx context.Context, actor Actor, account AccountID, once Once, from *int64, spec BatchSpec, deliver func([]BatchIssued) error) (BatchResult, error) {
	b := &batch{service: s, actor: actor, spec: spec, expiries: expiries{}}
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error { return b.begin(ctx, tx, account, once, from) })
	if err != nil {
		return BatchResult{}, err
	}
	result := BatchResult{ID: b.id, From: b.from}
	g, ctx := errgroup.WithContext(ctx)
	signed := make(chan []BatchIssued)
	g.Go(func() error {
		defer close(signed)
		return b.signAll(ctx, signed)
	})
	g.Go(func() error {
		for part := range signed {
			if err := b.keep(ctx, part); err != nil {
				return err
			}
			if err := deliver(part); err != nil {
				return err
			}
			result.Issued += int64(len(part))
		}
		return nil
	})
	err = g.Wait()
	return result, err
}

// batch is one attempt at one.
type batch struct {
	service  *Service
	actor    Actor
	spec     BatchSpec
	id       BatchID
	attempt  int64
	from     int64
	account  Account
	plan     Plan
	role     signable // what users that are made are; its name is empty
	expiries expiries
}

// begin makes the batch, or finds it again, and refuses what can be seen to fail.
func (b *batch) begin(ctx context.Context, tx pgx.Tx, account AccountID, once Once, from *int64) error {
	if from != nil && once.Key == "" {
		return fault.Field("?from", "a batch is resumed with the Idempotency-Key that it was begun with")
	}
	s, fresh := b.service, NewID[BatchID]("bat")
	earlier, err := s.ClaimOnce(ctx, tx, b.actor, once, string(fresh))
	if err != nil {
		return err
	}
	if b.account, err = lockAccount(ctx, tx, b.actor, account, Developer); err != nil {
		return err
	}
	if err := b.spec.validate(); err != nil {
		return err
	}
	if b.plan, err = planByTenant(ctx, tx, b.account.TenantID); err != nil {
		return err
	}
	now := s.clock()
	switch {
	case earlier == "" && from != nil && *from > 0:
		return fault.Field("?from", "no batch was begun with this Idempotency-Key")
	case earlier == "":
		b.id, b.attempt = fresh, 1
		err = insertBatch(ctx, tx, b.account, b.id, now)
	case from == nil:
		return fault.New(fault.Conflict, "this Idempotency-Key has begun the batch %s already; to go on with it, say with ?from how many of its credentials you have", earlier)
	default:
		b.id, b.from = BatchID(earlier), *from
		err = b.resume(ctx, tx, now)
	}
	if err != nil {
		return err
	}
	return b.check(ctx, tx, now)
}

// resume ends earlier attempts, and revokes what they issued and nobody has.
func (b *batch) resume(ctx context.Context, tx pgx.Tx, now time.Time) (err error) {
	if b.attempt, err = nextAttempt(ctx, tx, b.account, b.id); err != nil {
		return err
	}
	issued, err := countIssued(ctx, tx, b.account, b.id, b.from)
	if err != nil {
		return err
	}
	if issued < b.from || b.from > int64(len(b.spec.Entries)) {
		return fault.Field("?from", "only %d of these credentials were issued", issued)
	}
	var indexes []int64
	for i, e := range b.spec.Entries[b.from:] {
		if e.PublicKey == "" {
			indexes = append(indexes, b.from+int64(i))
		}
	}
	undelivered, err := revokeUndelivered(ctx, tx, b.account, b.id, indexes, now)
	if err != nil || len(undelivered) == 0 {
		return err
	}
	if err := insertAudits(ctx, tx, b.account.TenantID, b.actor.ID, "revokeCredential", undelivered, now); err != nil {
		return err
	}
	_, err = b.service.announce(ctx, tx, b.account, now)
	return err
}

// check refuses what would fail later: users that are there, or are not, keys
// that are in use, more users than the plan allows, lifetimes that role or plan do not.
func (b *batch) check(ctx context.Context, tx pgx.Tx, now time.Time) error {
	entries := b.spec.Entries[b.from:]
	known, err := usersOfBatch(ctx, tx, b.account, b.id, entries)
	if err != nil {
		return err
	}
	var errs faults
	missing := int64(0)
	for i, e := range entries {
		u, exists := known[e.User]
		at := b.spec.at(int(b.from)+i, "name")
		switch {
		case !exists && !b.spec.CreateUsers:
			errs.add(fault.Field(at, "the account has no user %s", e.User))
		case exists && b.spec.CreateUsers && !u.OfBatch:
			errs.add(&fault.Error{Kind: fault.Conflict, Pointer: at, Message: "the account has a user " + e.User + " already"})
		case !exists:
			missing++
		default:
			_, err := b.expiries.of(u.signable, now, b.spec.Life)
			if err != nil {
				return err
			}
		}
	}
	used, err := keysInUse(ctx, tx, b.account, b.id, column(entries, func(e BatchEntry) claims.UserKey { return e.PublicKey }))
	if err != nil {
		return err
	}
	for i, e := range entries {
		if e.PublicKey != "" && used[e.PublicKey] {
			errs.add(&fault.Error{Kind: fault.Conflict, Pointer: b.spec.at(int(b.from)+i, "public_key"), Message: credentialFaults["credentials_public_key_key"].Message})
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if !b.spec.CreateUsers {
		return nil
	}
	role, err := sharedRole(ctx, tx, b.account, b.spec.RoleID)
	if err != nil {
		return err
	}
	if b.role, err = roleToSign(ctx, tx, b.account, role); err != nil {
		return err
	}
	b.role.Tags = stored(b.spec.Tags)
	if _, err := b.expiries.of(b.role, now, b.spec.Life); err != nil {
		return err
	}
	return b.room(ctx, tx, missing)
}

// room refuses more users than the plan allows.
func (b *batch) room(ctx context.Context, tx pgx.Tx, more int64) error {
	if b.plan.MaxUsers < 0 {
		return nil
	}
	count, err := countUsers(ctx, tx, b.account, b.plan.MaxUsers)
	if err != nil {
		return err
	}
	if count+more > b.plan.MaxUsers {
		return fault.New(fault.OverLimit, "the plan %s allows %d users in an account; there are %d, and this batch makes %d more", b.plan.Name, b.plan.MaxUsers, count, more)
	}
	return nil
}

// signAll signs part after part, each on all cores, no further ahead than the
// channel takes them.
func (b *batch) signAll(ctx context.Context, signed chan<- []BatchIssued) error {
	for start := int(b.from); start < len(b.spec.Entries); start += batchAtOnce {
		part, err := b.sign(ctx, start, min(start+batchAtOnce, len(b.spec.Entries)))
		if err != nil {
			return fmt.Errorf("sign a part of batch %s: %w", b.id, err)
		}
		select {
		case signed <- part:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (b *batch) sign(ctx context.Context, start, end int) ([]BatchIssued, error) {
	known, err := usersOfBatch(ctx, b.service.pool, b.account, b.id, b.spec.Entries[start:end])
	if err != nil {
		return nil, err
	}
	now := b.service.clock()
	part := make([]BatchIssued, end-start)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range part {
		e := b.spec.Entries[start+i]
		u, exists := known[e.User]
		if !exists {
			u = batchUser{signable: b.role}
			u.Name = e.User
		}
		expires, err := b.expiries.of(u.signable, now, b.spec.Life)
		if err != nil {
			return nil, err
		}
		g.Go(func() error {
			issued, err := b.service.mint(u.signable, CredentialSpec{Name: b.spec.Name, ExpiresAt: expires, PublicKey: e.PublicKey})
			if err != nil {
				return err
			}
			issued.ID, issued.UserID, issued.Name, issued.ExpiresAt = NewID[CredentialID]("crd"), u.ID, b.spec.Name, expires
			issued.RoleID, issued.Tags = u.RoleID, u.Tags
			part[i] = BatchIssued{Index: int64(start + i), UserName: e.User, IssuedCredential: issued}
			return nil
		})
	}
	return part, g.Wait()
}

// keep commits a part, with the users that are still to be made for it, if all is
// as it was when it was signed.
func (b *batch) keep(ctx context.Context, part []BatchIssued) error {
	s := b.service
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccount(ctx, tx, b.actor, b.account.ID, Developer)
		if err != nil {
			return err
		}
		if err := holdAttempt(ctx, tx, account, b.id, b.attempt); err != nil {
			return err
		}
		var made, existing []BatchIssued
		for i := range part {
			if part[i].UserID == "" {
				made = append(made, part[i])
			} else {
				existing = append(existing, part[i])
			}
		}
		now := s.clock()
		ids, err := b.makeUsers(ctx, tx, made, now)
		if err != nil {
			return err
		}
		if err := shareUsers(ctx, tx, account, existing); err != nil {
			return err
		}
		kept := append(existing, made...)
		inserted, err := insertBatchCredentials(ctx, tx, account, b.id, b.actor, kept, now)
		if err != nil {
			return err
		}
		for _, c := range kept {
			of := &part[c.Index-part[0].Index]
			of.UserID, of.ID = c.UserID, inserted[c.Index]
			ids = append(ids, string(of.ID))
		}
		if err := insertAudits(ctx, tx, account.TenantID, b.actor.ID, "issueCredentialBatch", ids, now); err != nil {
			return err
		}
		if !slices.ContainsFunc(kept, func(c BatchIssued) bool { return account.Settings.AuthCallout.spares(c.UserID) }) {
			return nil
		}
		_, err = s.announce(ctx, tx, account, now)
		return err
	})
}

// makeUsers makes the users of these credentials, gives each its id, and answers the ids.
func (b *batch) makeUsers(ctx context.Context, tx pgx.Tx, of []BatchIssued, now time.Time) ([]string, error) {
	if len(of) == 0 {
		return nil, nil
	}
	if err := b.room(ctx, tx, int64(len(of))); err != nil {
		return nil, err
	}
	if err := holdRole(ctx, tx, b.account, b.role.RoleID); err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(of))
	for i := range of {
		of[i].UserID = NewID[UserID]("usr")
		ids = append(ids, string(of[i].UserID))
	}
	return ids, insertBatchUsers(ctx, tx, b.account, b.role, of, now)
}
