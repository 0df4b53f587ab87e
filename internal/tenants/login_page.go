package tenants

import (
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// An account's device logins are in pages, which its JWT names by hash. A new one
// joins the open page, which is small, so that creating one sends little to every
// broker. Once that is full, what is in it moves on, into pages that are filled up
// to three quarters or more and then left alone: as revocations do, see maxInline.
// A page that is written anew loses what was revoked or had expired a day before:
// until then whoever tries it reads that, and not that nobody knows it.
//
// With an open page of 64, a login costs half of that to send on average, and as
// its share of the larger page's 2,048, which every 64th rewrites, 16 more.
const (
	openLoginPage  = 0
	maxOpenLogins  = 64
	fullLoginPage  = claims.MaxPageLogins * 3 / 4
	roomInPage     = claims.MaxLoginPageBytes - 4
	fullLoginBytes = roomInPage * 3 / 4
)

// loginsKeptFor is how long a page keeps what was revoked or has expired, unless
// there is too much of it.
const loginsKeptFor = 24 * time.Hour

// loginPageCount is how many of a closed page's logins still matter, and how
// long the page is.
type loginPageCount struct {
	Number  int64
	Matters int64
	Bytes   int64
}

// notFullLogins are the pages to be written anew, the fullest first.
func notFullLogins(pages []loginPageCount) []int64 {
	var counts []pageCount
	for _, p := range pages {
		if p.Number != openLoginPage && p.Matters < fullLoginPage && p.Bytes < fullLoginBytes {
			counts = append(counts, pageCount{p.Number, p.Matters})
		}
	}
	return notFull(counts)
}

// loginPage is a page as it is to become.
type loginPage struct {
	number  int64
	records []loginRecord
}

// planLoginPages lays the records out over pages, each within the limits of one,
// taking the numbers of open ones first, and then those after last.
func planLoginPages(records []loginRecord, open []int64, last int64) (plan []loginPage) {
	size := 0
	for _, r := range records {
		n := r.PageBytes()
		if len(plan) == 0 || size+n > roomInPage || len(plan[len(plan)-1].records) == claims.MaxPageLogins {
			number := last + 1
			if len(open) > 0 {
				number, open = open[0], open[1:]
			} else {
				last = number
			}
			plan, size = append(plan, loginPage{number: number}), 0
		}
		p := &plan[len(plan)-1]
		p.records, size = append(p.records, r), size+n
	}
	return plan
}

// loginsMattering are those of the list that do.
func loginsMattering(list []loginRecord, since time.Time) []loginRecord {
	return slices.DeleteFunc(slices.Clone(list), func(r loginRecord) bool { return !r.matters(since) })
}

// fitsOpenPage says whether the open page may hold these.
func fitsOpenPage(records []loginRecord) bool {
	size := 0
	for _, r := range records {
		size += r.PageBytes()
	}
	return len(records) <= maxOpenLogins && size <= roomInPage
}

// expiresAt is when the last of the page's logins expires; nil: never.
func (p loginPage) expiresAt() *time.Time {
	var last *time.Time
	for _, r := range p.records {
		if r.Expires == nil {
			return nil
		}
		if last == nil || r.Expires.After(*last) {
			last = r.Expires
		}
	}
	return last
}

func (p loginPage) encode() (claims.LoginPage, error) {
	logins := make([]claims.DeviceLogin, 0, len(p.records))
	for _, r := range p.records {
		logins = append(logins, r.DeviceLogin)
	}
	return claims.EncodeLoginPage(logins)
}

// loginMovesTo is what it takes for the rows to say what the plan does. Held are
// the records of pages that are written anew; the fresh one has no row yet.
func loginMovesTo(plan []loginPage, held []loginRecord, fresh CredentialID) pageMoves {
	stays := map[CredentialID]bool{}
	var moves pageMoves
	for _, p := range plan {
		for _, r := range p.records {
			stays[r.ID] = true
			if r.ID != fresh && *r.Page != p.number {
				moves.ids, moves.numbers = append(moves.ids, r.ID), append(moves.numbers, &p.number)
			}
		}
	}
	for _, r := range held {
		if !stays[r.ID] {
			moves.ids, moves.numbers = append(moves.ids, r.ID), append(moves.numbers, nil)
		}
	}
	return moves
}
