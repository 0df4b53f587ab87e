package tenants

import (
	"strconv"
	"time"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// lifetimes are what a role and a plan say of how long credentials live. Zero: nothing.
type lifetimes struct {
	Role, Plan               string // their names
	RoleDefault, RoleMaximum time.Duration
	PlanDefault, PlanMaximum time.Duration
}

// longestLife is what a wish for a lifetime is cut to before it is added to a
// time: what is longer than that is never reached.
const longestLife = 100 * 365 * 24 * time.Hour

// expiry is when a credential that is issued now is to expire: as was asked
// for, else as role and then plan have it by default, and never beyond either's
// maximum, which is also the default where there is no other. Nil is never.
// Errors are at /expires_at or /expires_in, whichever was asked for.
func (l lifetimes) expiry(now time.Time, at *time.Time, in *time.Duration) (*time.Time, error) {
	pointer, life := "", time.Duration(0)
	switch {
	case at != nil && in != nil:
		return nil, fault.Field("/expires_in", "say either when it expires or after how long, not both")
	case at != nil:
		pointer, life = "/expires_at", min(at.Sub(now), longestLife)
	case in != nil:
		pointer, life = "/expires_in", min(*in, longestLife)
	}
	if pointer == "" {
		if life = l.byDefault(); life == 0 {
			return nil, nil
		}
		return wholeSeconds(now.Add(life)), nil
	}
	if most, of := l.maximum(); most > 0 && life > most {
		return nil, fault.Field(pointer, "%s lets credentials live for %s at most", of, spell(most))
	}
	if at == nil {
		at = new(time.Time)
		*at = now.Add(life)
	}
	expires := wholeSeconds(*at)
	if !expires.After(now) {
		return nil, fault.Field(pointer, "it must be at least a second from now")
	}
	return expires, nil
}

// byDefault is the lifetime of a credential nobody said anything about; 0 is for ever.
func (l lifetimes) byDefault() time.Duration {
	most, _ := l.maximum()
	life := l.RoleDefault
	if life == 0 {
		life = l.PlanDefault
	}
	if life == 0 || most > 0 && life > most {
		return most
	}
	return life
}

// maximum is the lesser of the two, and whose it is; 0 is none.
func (l lifetimes) maximum() (most time.Duration, of string) {
	if l.RoleMaximum > 0 && (l.PlanMaximum == 0 || l.RoleMaximum <= l.PlanMaximum) {
		return l.RoleMaximum, "the role " + l.Role
	}
	return l.PlanMaximum, "the plan " + l.Plan
}

// wholeSeconds is an expiry as a JWT can say it.
func wholeSeconds(at time.Time) *time.Time {
	at = at.UTC().Truncate(time.Second)
	return &at
}

// spell writes a duration in days where it has whole ones.
func spell(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "a day"
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + " days"
	}
	return d.String()
}

// Warnings come in the last fifth of a credential's life, but not more than two
// weeks and not less than an hour before its end.
const (
	warnLongest  = 14 * 24 * time.Hour
	warnShortest = time.Hour
)

// expiringFrom is from when on a credential counts as expiring; nil for one that never expires.
func expiringFrom(issued time.Time, expires *time.Time) *time.Time {
	if expires == nil {
		return nil
	}
	from := expires.Add(-min(max(expires.Sub(issued)/5, warnShortest), warnLongest))
	return &from
}
