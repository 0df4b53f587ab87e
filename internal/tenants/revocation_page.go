package tenants

import (
	"cmp"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// An account's JWT holds its newest revocations itself. When they become many
// the oldest move into pages, so that what is signed, sent and read for one more
// revocation does not grow with all those before it.
//
// A page is filled up to three quarters or more and then left alone, since each
// change of it sends it to every broker anew. The same rule empties pages: one
// whose revocations have mostly expired is below three quarters again, and what
// is left in it moves together with what comes next.
const (
	maxInline = 512 // revocations in a JWT; one more, and the oldest move
	midInline = 256 // as many stay
	fullPage  = claims.MaxPageRevocations * 3 / 4
)

// revocationGrace is how long a revocation stays in force after the credential has
// expired: until then a broker whose clock is slow may think it has not.
const revocationGrace = time.Hour

// revocation is one credential's.
type revocation struct {
	ID             CredentialID
	PublicKey      claims.UserKey
	RevokedAt      time.Time
	ExpiresAt      *time.Time
	RevocationPage *int64 // nil: in the JWT, or expired
}

// matters is false when the credential had expired by then.
func (r revocation) matters(expired time.Time) bool {
	return r.ExpiresAt == nil || r.ExpiresAt.After(expired)
}

// mattering are those of the list that do.
func mattering(list []revocation, expired time.Time) []revocation {
	return slices.DeleteFunc(slices.Clone(list), func(r revocation) bool { return !r.matters(expired) })
}

func (r revocation) isIn(page int64) bool {
	return r.RevocationPage != nil && *r.RevocationPage == page
}

func revokedOf(list []revocation) map[claims.UserKey]time.Time {
	revoked := make(map[claims.UserKey]time.Time, len(list))
	for _, r := range list {
		revoked[r.PublicKey] = r.RevokedAt
	}
	return revoked
}

// pageCount is how many of a page's revocations still matter.
type pageCount struct {
	Number  int64
	Matters int64
}

// notFull are the pages to be written anew, the fullest first: what is in that
// one can stay there.
func notFull(pages []pageCount) []int64 {
	open := slices.DeleteFunc(slices.Clone(pages), func(p pageCount) bool { return p.Matters >= fullPage })
	slices.SortFunc(open, func(a, b pageCount) int {
		return cmp.Or(cmp.Compare(b.Matters, a.Matters), cmp.Compare(a.Number, b.Number))
	})
	var numbers []int64
	for _, p := range open {
		numbers = append(numbers, p.Number)
	}
	return numbers
}

func lastPage(pages []pageCount) (last int64) {
	for _, p := range pages {
		last = max(last, p.Number)
	}
	return last
}

// revocationPage is a page as it is to become.
type revocationPage struct {
	number      int64
	revocations []revocation
}

// planPages lays the revocations out over as few pages as there can be, taking
// the numbers of open ones first, and then those after last.
func planPages(list []revocation, open []int64, last int64) []revocationPage {
	var plan []revocationPage
	for chunk := range slices.Chunk(list, claims.MaxPageRevocations) {
		number := last + 1
		if len(open) > 0 {
			number, open = open[0], open[1:]
		} else {
			last = number
		}
		plan = append(plan, revocationPage{number, chunk})
	}
	return plan
}

// pageMoves are credentials, and the pages that hold their revocations from now
// on; nil: none, since they have expired.
type pageMoves struct {
	ids     []CredentialID
	numbers []*int64
}

func (m *pageMoves) add(r revocation, number *int64) {
	m.ids, m.numbers = append(m.ids, r.ID), append(m.numbers, number)
}

// movesTo is what it takes for the rows to say what the plan does. Held are the
// revocations of pages that are written anew.
func movesTo(plan []revocationPage, held []revocation, expired time.Time) pageMoves {
	var moves pageMoves
	for _, r := range held {
		if !r.matters(expired) {
			moves.add(r, nil)
		}
	}
	for _, p := range plan {
		for _, r := range p.revocations {
			if !r.isIn(p.number) {
				moves.add(r, &p.number)
			}
		}
	}
	return moves
}

// expiresAt is when the last of the page's credentials expires; nil: never.
func (p revocationPage) expiresAt() *time.Time {
	var last *time.Time
	for _, r := range p.revocations {
		if r.ExpiresAt == nil {
			return nil
		}
		if last == nil || r.ExpiresAt.After(*last) {
			last = r.ExpiresAt
		}
	}
	return last
}
