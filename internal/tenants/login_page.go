package tenants

import (
	"iter"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// An account's device logins are all in pages. A new one joins the open page, which
// is small, so that creating one sends little to every broker. Once that is full,
// what is in it moves on, into pages that are closed. A page that is written anew
// loses what was revoked or had expired a day before: until then whoever tries it
// reads that, and not that nobody knows it.
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

var loginPages = pageTable[loginRecord]{
	name: "login_pages", column: "login_page",
	matters: `(revoked_at IS NULL OR revoked_at > @since)
			AND (credentials.expires_at IS NULL OR credentials.expires_at > @since)`,
	encode: func(records []loginRecord) (claims.Page, error) {
		return claims.EncodeLoginPage(column(records, func(r loginRecord) claims.DeviceLogin { return r.DeviceLogin }))
	},
}

// fullOfLogins is true of the open page, too, which is not for those that move on.
func fullOfLogins(p pageCount) bool {
	return p.Number == openLoginPage || p.Matters >= fullLoginPage || p.Bytes >= fullLoginBytes
}

// loginChunks cuts the records into those that fit in a page each.
func loginChunks(records []loginRecord) iter.Seq[[]loginRecord] {
	return func(yield func([]loginRecord) bool) {
		start, size := 0, 0
		for i, r := range records {
			if n := r.PageBytes(); size+n > roomInPage || i-start == claims.MaxPageLogins {
				if !yield(records[start:i]) {
					return
				}
				start, size = i, 0
			}
			size += r.PageBytes()
		}
		if start < len(records) {
			yield(records[start:])
		}
	}
}

// fitsOpenPage says whether the open page may hold these.
func fitsOpenPage(records []loginRecord) bool {
	size := 0
	for _, r := range records {
		size += r.PageBytes()
	}
	return len(records) <= maxOpenLogins && size <= roomInPage
}
