package tenants

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// What an account's JWT has no room for is in pages, which it names by hash: see
// [claims.Page]. Pages of revocations and of device logins have numbers, and the
// credentials' rows say in which of them something of theirs lies.
//
// A page is filled up to three quarters or more and then left alone, since each
// change of it sends it to every broker anew. The same rule empties pages: one of
// which little matters any more is below three quarters again, and what is left in
// it moves together with what comes next.

// paged is a credential of which something lies in a page.
type paged struct {
	ID      CredentialID
	Page    *int64     // its number; nil: it is in none
	Expires *time.Time `db:"expires_at"` // nil: never
}

func (p paged) row() paged { return p }

// pageRecord is what a page has of a credential.
type pageRecord interface {
	row() paged
	matters(since time.Time) bool // false: nobody has needed it since then
}

// mattering are those of the list that do.
func mattering[R pageRecord](list []R, since time.Time) []R {
	return slices.DeleteFunc(slices.Clone(list), func(r R) bool { return !r.matters(since) })
}

// pageCount is how many of a page's records still matter, and how long it is.
type pageCount struct {
	Number  int64
	Matters int64
	Bytes   int64
}

// notFull are the pages to be written anew, the fullest first: what is in that
// one can stay there.
func notFull(pages []pageCount, full func(pageCount) bool) []int64 {
	open := slices.DeleteFunc(slices.Clone(pages), full)
	slices.SortFunc(open, func(a, b pageCount) int {
		return cmp.Or(cmp.Compare(b.Matters, a.Matters), cmp.Compare(a.Number, b.Number))
	})
	return column(open, func(p pageCount) int64 { return p.Number })
}

func lastPage(pages []pageCount) (last int64) {
	for _, p := range pages {
		last = max(last, p.Number)
	}
	return last
}

// plannedPage is a page as it is to become.
type plannedPage[R pageRecord] struct {
	number  int64
	records []R
}

// planPages makes a page of each chunk, taking the numbers of open ones first, and
// then those after last.
func planPages[R pageRecord](chunks iter.Seq[[]R], open []int64, last int64) (plan []plannedPage[R]) {
	for chunk := range chunks {
		number := last + 1
		if len(open) > 0 {
			number, open = open[0], open[1:]
		} else {
			last = number
		}
		plan = append(plan, plannedPage[R]{number, chunk})
	}
	return plan
}

// expiresAt is when the last of the page's credentials expires; nil: never.
func (p plannedPage[R]) expiresAt() *time.Time {
	var last *time.Time
	for _, r := range p.records {
		expires := r.row().Expires
		if expires == nil {
			return nil
		}
		if last == nil || expires.After(*last) {
			last = expires
		}
	}
	return last
}

// pageMoves are credentials, and the pages in which they lie from now on; nil:
// none, since they do not matter any more.
type pageMoves struct {
	ids     []CredentialID
	numbers []*int64
}

// movesTo is what it takes for the rows to say what the plan does. Held are the
// records of pages that are written anew.
func movesTo[R pageRecord](plan []plannedPage[R], held []R) (moves pageMoves) {
	add := func(id CredentialID, number *int64) {
		moves.ids, moves.numbers = append(moves.ids, id), append(moves.numbers, number)
	}
	stays := map[CredentialID]bool{}
	for _, p := range plan {
		for _, r := range p.records {
			row := r.row()
			stays[row.ID] = true
			if row.Page == nil || *row.Page != p.number {
				add(row.ID, &p.number)
			}
		}
	}
	for _, r := range held {
		if id := r.row().ID; !stays[id] {
			add(id, nil)
		}
	}
	return moves
}

// pageTable is where pages of one kind are kept.
type pageTable[R pageRecord] struct {
	name   string
	column string // of credentials, with a page's number
	// matters is [pageRecord]'s in SQL, about credentials, with @since.
	matters string
	encode  func([]R) (claims.Page, error)
}
