package tenants

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// Rehearsal is what a change would have done, had it not been taken back.
type Rehearsal struct {
	Accounts []RehearsedAccount // whose JWT it would change, in the order of their first change
	Issued   []string           // JWTs of credentials that it would issue; not to be given away, since nothing revokes them
}

// RehearsedAccount is an account before and after the change.
type RehearsedAccount struct {
	Account
	Before string // JWT; empty for a new account
	After  string
	Trust  claims.TrustPage // that After names: brokers cannot have it
}

var errRehearsed = errors.New("it was a rehearsal")

// Rehearse has change do with another Service what it would do with this one, in
// a transaction that is then rolled back: nothing of it stays, neither audit nor
// revision nor idempotency key, and nobody hears of it. It fails as the change would.
// What the change keeps locked it locks as well, for as long as that takes.
func (s *Service) Rehearse(ctx context.Context, change func(*Service) error) (Rehearsal, error) {
	var noted Rehearsal
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		noted = Rehearsal{}
		shadow := &Service{pool: postgres.Within(tx), keys: s.keys, now: s.now, UndoWindow: s.UndoWindow, ConsoleLife: s.ConsoleLife, IssuerKeys: s.IssuerKeys, rehearsal: &noted}
		if err := change(shadow); err != nil {
			return err
		}
		return errRehearsed
	})
	if !errors.Is(err, errRehearsed) {
		return Rehearsal{}, err
	}
	return noted, nil
}

// note is told of each JWT that an account gets. A nil Rehearsal does nothing.
func (r *Rehearsal) note(ctx context.Context, tx pgx.Tx, account Account, token string) error {
	if r == nil {
		return nil
	}
	trust, err := trustPageOf(ctx, tx, account)
	if err != nil {
		return err
	}
	for i := range r.Accounts {
		if r.Accounts[i].ID == account.ID {
			r.Accounts[i].Account, r.Accounts[i].After, r.Accounts[i].Trust = account, token, trust
			return nil
		}
	}
	before, err := accountJWTByKey(ctx, tx, account.OperatorID, account.PublicKey)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return fmt.Errorf("read the account's JWT of before: %w", err)
	}
	r.Accounts = append(r.Accounts, RehearsedAccount{Account: account, Before: before.JWT, After: token, Trust: trust})
	return nil
}

// issued is told of each user JWT.
func (r *Rehearsal) issued(token string) {
	if r != nil {
		r.Issued = append(r.Issued, token)
	}
}

// Concerned are those whom a change of an account's claims concerns.
type Concerned struct {
	Users       int64
	Credentials int64 // active ones
	Everybody   bool  // who stays connected is held to other limits or default permissions
}

// ConcernedBy counts whose role, revocation or whole account the change is
// about. The account was rehearsed with for an actor who may see it.
func (s *Service) ConcernedBy(ctx context.Context, account RehearsedAccount) (Concerned, error) {
	if account.Before == "" {
		return Concerned{}, nil
	}
	before, err := claims.DecodeAccount(account.Before)
	if err != nil {
		return Concerned{}, err
	}
	after, err := claims.DecodeAccount(account.After)
	if err != nil {
		return Concerned{}, err
	}
	c, err := concernedBy(ctx, s.pool, account.Account, changedRoles(before, after), newlyRevoked(before, after), changedUsers(before, after), s.clock())
	c.Everybody = before.Limits.Subscriptions != after.Limits.Subscriptions || before.Limits.PayloadBytes != after.Limits.PayloadBytes ||
		!reflect.DeepEqual(before.DefaultPermissions, after.DefaultPermissions)
	return c, err
}

// changedRoles are the keys of those that are new, gone or other than before. An
// account that is suspended or deleted has none.
func changedRoles(before, after claims.AccountFacts) []claims.AccountKey {
	was := map[claims.AccountKey]claims.Template{}
	for _, role := range before.Roles {
		was[role.Key] = role.Template
	}
	changed := []claims.AccountKey{}
	for _, role := range after.Roles {
		if template, ok := was[role.Key]; !ok || !reflect.DeepEqual(template, role.Template) {
			changed = append(changed, role.Key)
		}
		delete(was, role.Key)
	}
	return slices.AppendSeq(changed, maps.Keys(was))
}

func newlyRevoked(before, after claims.AccountFacts) []claims.UserKey {
	revoked := []claims.UserKey{}
	for key, at := range after.Revoked {
		if was, ok := before.Revoked[key]; !ok || was.Before(at) {
			revoked = append(revoked, key)
		}
	}
	return revoked
}

// changedUsers are those who are something else, by name, than their credentials or the claims of before say.
func changedUsers(before, after claims.AccountFacts) []string {
	was := map[string]claims.UserOverride{}
	for _, o := range before.Overrides {
		was[o.Name] = o
	}
	changed := []string{}
	for _, o := range after.Overrides {
		if earlier, ok := was[o.Name]; !ok || !reflect.DeepEqual(earlier, o) {
			changed = append(changed, o.Name)
		}
		delete(was, o.Name)
	}
	return slices.AppendSeq(changed, maps.Keys(was))
}

// concernedBy counts the users in the roles, or with one of the names or keys, and their
// active credentials; claims.AllUsers among the keys is everybody.
func concernedBy(ctx context.Context, q querier, account Account, roles []claims.AccountKey, keys []claims.UserKey, names []string, now time.Time) (Concerned, error) {
	const query = `
		SELECT count(DISTINCT users.id) AS users, count(DISTINCT credentials.id) AS credentials, false AS everybody
		FROM users
		JOIN roles ON roles.id = users.role_id
		LEFT JOIN credentials ON credentials.user_id = users.id
			AND credentials.revoked_at IS NULL
			AND (credentials.expires_at IS NULL OR credentials.expires_at > @now)
		WHERE users.tenant_id = @tenant
		AND users.account_id = @account
		AND users.deleted_at IS NULL
		AND NOT users.console
		AND (@all OR roles.public_key = ANY(@roles) OR credentials.public_key = ANY(@keys) OR users.name = ANY(@names))`
	return one[Concerned](ctx, q, query, pgx.StrictNamedArgs{
		"tenant": account.TenantID, "account": account.ID, "roles": roles, "keys": keys, "names": names, "now": now,
		"all": slices.Contains(keys, claims.AllUsers),
	})
}
