package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// An account's JWT holds its newest revocations itself. When they become many
// the oldest move into pages, so that what is signed, sent and read for one more
// revocation does not grow with all those before it.
const (
	maxInline = 512 // revocations in a JWT; one more, and the oldest move
	midInline = 256 // as many stay
	fullPage  = claims.MaxPageRevocations * 3 / 4
)

// revocationGrace is how long a revocation stays in force after the credential has
// expired: until then a broker whose clock is slow may think it has not.
const revocationGrace = time.Hour

// revocation is one credential's. It is in the JWT if it is in no page, or has expired.
type revocation struct {
	paged
	PublicKey claims.UserKey
	RevokedAt time.Time
}

// matters is false when the credential had expired by then.
func (r revocation) matters(expired time.Time) bool {
	return r.Expires == nil || r.Expires.After(expired)
}

func revokedOf(list []revocation) map[claims.UserKey]time.Time {
	revoked := make(map[claims.UserKey]time.Time, len(list))
	for _, r := range list {
		revoked[r.PublicKey] = r.RevokedAt
	}
	return revoked
}

var revocationPages = pageTable[revocation]{
	name: "revocation_pages", column: "revocation_page",
	matters: `coalesce(credentials.expires_at, 'infinity') > @since`, // as the index has it
	encode:  func(list []revocation) (claims.Page, error) { return claims.EncodeRevocationPage(revokedOf(list)) },
}

func fullOfRevocations(p pageCount) bool { return p.Matters >= fullPage }
