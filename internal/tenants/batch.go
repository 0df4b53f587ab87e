package tenants

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// BatchSpec is what people choose about a batch of credentials, one for each
// of many users.
type BatchSpec struct {
	Entries     []BatchEntry // MaxBatch at most
	Field       string       // what the request calls them: names, entries or name_prefix; faults point there
	CreateUsers bool         // the users are made, and must not be there yet; otherwise they must
	RoleID      RoleID       // of users that are made; empty: the role named [DefaultRole]
	Tags        []string     // likewise
	Name        string       // of each credential
	Life        CredentialLife
}

// BatchEntry is one credential of a batch.
type BatchEntry struct {
	User      string         // its name
	PublicKey claims.UserKey // empty: make a key pair
}

// BatchIssued is a credential of a batch that was just issued.
type BatchIssued struct {
	Index    int64 // of its entry
	UserName string
	IssuedCredential
}

// BatchResult is what came of a batch.
type BatchResult struct {
	ID     BatchID
	From   int64 // the first entry of those that were issued now
	Issued int64
}

// MaxBatch is the most entries of a batch.
const MaxBatch = 10_000

const (
	batchAtOnce  = 250 // committed together: as many are lost on the way at worst, and issued again
	maxBatchTold = 20  // faults of one kind
)

// validate looks at what can be told without the database.
func (s BatchSpec) validate() error {
	if len(s.Entries) == 0 || len(s.Entries) > MaxBatch {
		return fault.Field("/"+s.Field, "a batch has 1 to %d credentials", MaxBatch)
	}
	errs := faults{CredentialSpec{Name: s.Name}.validate()}
	if !s.CreateUsers && s.RoleID != "" {
		errs.add(fault.Field("/role_id", "users that exist have a role"))
	}
	if !s.CreateUsers && len(s.Tags) > 0 {
		errs.add(fault.Field("/tags", "users that exist have their own"))
	}
	for _, e := range fault.All(claims.ValidateTags(s.Tags)) {
		errs.add(e)
	}
	users, keys := make(map[string]int, len(s.Entries)), map[claims.UserKey]int{}
	for i, e := range s.Entries {
		if first, twice := users[e.User]; twice {
			errs.add(fault.Field(s.at(i, "name"), "this user is listed at %d already", first))
			continue
		}
		users[e.User] = i
		if err := claims.ValidateUserName(e.User); err != nil {
			errs.add(fault.At(s.at(i, "name"), err))
		}
		if e.PublicKey == "" {
			continue
		}
		if first, twice := keys[e.PublicKey]; twice {
			errs.add(fault.Field(s.at(i, "public_key"), "this key is listed at %d already", first))
		}
		keys[e.PublicKey] = i
		if _, err := claims.ParseUserKey(string(e.PublicKey)); err != nil {
			errs.add(fault.At(s.at(i, "public_key"), err))
		}
	}
	return errors.Join(errs...)
}

// at is the pointer to an entry, which has fields, or is no more than a name, or
// is not in the request at all.
func (s BatchSpec) at(i int, field string) string {
	switch s.Field {
	case "entries":
		return fmt.Sprintf("/entries/%d/%s", i, field)
	case "names":
		return fmt.Sprintf("/names/%d", i)
	}
	return "/" + s.Field
}

// faults are some of many, so that an answer stays readable.
type faults []error

func (f *faults) add(err error) {
	if err != nil && len(*f) < maxBatchTold && !slices.ContainsFunc(*f, func(e error) bool { return e != nil && e.Error() == err.Error() }) {
		*f = append(*f, err)
	}
}

// expiries are when the credentials of each role expire.
type expiries map[claims.AccountKey]*time.Time

// of refuses users and roles whose credentials may not be issued.
func (e expiries) of(u signable, now time.Time, life CredentialLife) (*time.Time, error) {
	at, known := e[u.RoleKey]
	if known && len(u.UserTypes) == 0 {
		return at, nil
	}
	if err := u.admissible(); err != nil || known {
		return at, err
	}
	at, err := u.lifetimes().expiry(now, life.ExpiresAt, life.ExpiresIn)
	e[u.RoleKey] = at
	return at, err
}
