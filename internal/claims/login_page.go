package claims

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// LoginPage holds device logins of an account: a [Page].
//
// Its bytes, numbers in big-endian order, are how many there are in 4 bytes, as
// many digests of 32, and as many records, both sorted by digest:
//
//	user's and role's raw public keys, 32 each
//	issued, expires                    8 each, Unix seconds; expires 0: never
//	name, username                     2 for the length, and the text
//	tags                               1 for how many; each as a text is
//
// One set of logins makes one page, and what would make it otherwise is no page.
// The zero page is empty, and cannot be encoded.
type LoginPage struct {
	content
	digests []byte
	starts  []uint32 // of the records
}

const (
	// MaxPageLogins is how many logins fit in a page.
	MaxPageLogins = 2048
	// MaxLoginPageBytes is how long a page may be: it has to fit in a message.
	MaxLoginPageBytes = 640 << 10

	digestLength    = len(LoginDigest{})
	loginPageHeader = 4
)

// EncodeLoginPage makes the page of these logins, in any order: at least one, at
// most [MaxPageLogins]. What is wrong with one is a fault at /0/name, by its
// place; a page that would be too long is fault.OverLimit, and see [DeviceLogin.PageBytes].
func EncodeLoginPage(logins []DeviceLogin) (LoginPage, error) {
	page, err := encodeLoginPage(logins)
	return page, wrap("encode a page of device logins", err)
}

func encodeLoginPage(logins []DeviceLogin) (LoginPage, error) {
	if len(logins) == 0 || len(logins) > MaxPageLogins {
		return LoginPage{}, fault.New(fault.Invalid, "a page has 1 to %d device logins, not %d", MaxPageLogins, len(logins))
	}
	size := loginPageHeader
	for i, l := range logins {
		if err := l.Validate(); err != nil {
			return LoginPage{}, below(fmt.Sprintf("/%d", i), err)
		}
		size += l.PageBytes()
	}
	if size > MaxLoginPageBytes {
		return LoginPage{}, fault.New(fault.OverLimit, "the page of device logins would have %d bytes; %d at most", size, MaxLoginPageBytes)
	}
	sorted := slices.Clone(logins)
	slices.SortFunc(sorted, func(a, b DeviceLogin) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
	b := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(len(sorted)))
	for _, l := range sorted {
		b = append(b, l.Digest[:]...)
	}
	for _, l := range sorted {
		var err error
		if b, err = l.appendTo(b); err != nil {
			return LoginPage{}, err
		}
	}
	return DecodeLoginPage(b)
}

// PageBytes is how many bytes of a page the login takes.
func (l DeviceLogin) PageBytes() int {
	n := digestLength + 2*rawKeyLength + 2*8 + 2 + len(l.Name) + 2 + len(l.Username) + 1
	for _, tag := range l.Tags {
		n += 2 + len(tag)
	}
	return n
}

// Validate reports what is wrong with a login, at its fields as the API spells them.
func (l DeviceLogin) Validate() error {
	_, userErr := ParseUserKey(string(l.User))
	_, roleErr := ParseAccountKey(string(l.Role))
	return errors.Join(fault.At("/public_key", userErr), fault.At("/role", roleErr), l.validateRest())
}

// validateRest leaves the keys out: in a page any 32 bytes are one.
func (l DeviceLogin) validateRest() error {
	errs := []error{
		fault.At("/name", ValidateUserName(l.Name)),
		ValidateTags(l.Tags),
	}
	if l.Username != "" {
		errs = append(errs, fault.At("/username", ValidateLoginName(l.Username)))
	}
	if l.IssuedAt.Unix() <= 0 || l.IssuedAt.After(endOfTime) {
		errs = append(errs, fault.Field("/issued_at", "a login needs the time at which it was issued, from 1970 to the year 9999"))
	}
	if !l.ExpiresAt.IsZero() && (l.ExpiresAt.Unix() <= 0 || l.ExpiresAt.After(endOfTime)) {
		errs = append(errs, fault.Field("/expires_at", "a time of expiry lies between 1970, before which it would be read as never, and the year 9999"))
	}
	return errors.Join(errs...)
}

// MaxLoginNameBytes is the longest user name that a client may call itself.
const MaxLoginNameBytes = 128

// ValidateLoginName is the rule for what a client with a password calls itself: up to
// 128 bytes that can be printed, without spaces.
func ValidateLoginName(s string) error {
	if s == "" || len(s) > MaxLoginNameBytes {
		return fault.New(fault.Invalid, "a user name has 1 to %d bytes", MaxLoginNameBytes)
	}
	if err := validateText(s, MaxLoginNameBytes); err != nil {
		return err
	}
	if strings.Contains(s, " ") {
		return fault.New(fault.Invalid, "a user name has no spaces")
	}
	if checkKey(s, nkeys.PrefixByteAccount) == nil {
		return fault.New(fault.Invalid, "an account's public key is no user name: with it clients say which account they mean")
	}
	return nil
}

func (l DeviceLogin) appendTo(b []byte) ([]byte, error) {
	user, err := rawUserKey(l.User)
	if err != nil {
		return nil, err
	}
	role, err := nkeys.Decode(nkeys.PrefixByteAccount, []byte(l.Role))
	if err != nil {
		return nil, wrap("read the role's key", err)
	}
	b = append(append(b, user...), role...)
	var expires int64
	if !l.ExpiresAt.IsZero() {
		expires = l.ExpiresAt.Unix()
	}
	b = binary.BigEndian.AppendUint64(b, uint64(l.IssuedAt.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(expires))
	b = append(appendText(appendText(b, l.Name), l.Username), byte(len(l.Tags)))
	for _, tag := range l.Tags {
		b = appendText(b, tag)
	}
	return b, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// DecodeLoginPage reads a page's bytes, which must not change afterwards. What is
// no page is fault.Invalid; whether it is the one that was meant, its hash says.
func DecodeLoginPage(b []byte) (LoginPage, error) {
	bad := func(format string, args ...any) (LoginPage, error) {
		return LoginPage{}, fault.New(fault.Invalid, "%d bytes are no page of device logins: %s", len(b), fmt.Sprintf(format, args...))
	}
	if len(b) < loginPageHeader || len(b) > MaxLoginPageBytes {
		return bad("a page has up to %d", MaxLoginPageBytes)
	}
	n := int(binary.BigEndian.Uint32(b))
	if n == 0 || n > MaxPageLogins || len(b) < loginPageHeader+n*digestLength {
		return bad("they have no room for %d of them", n)
	}
	p := LoginPage{content: contentOf(LoginKind, b), digests: b[loginPageHeader:][:n*digestLength], starts: make([]uint32, n)}
	r := loginReader{rest: b[loginPageHeader+n*digestLength:]}
	for i := range n {
		if i > 0 && bytes.Compare(p.digest(i-1), p.digest(i)) >= 0 {
			return bad("out of order at %d", i)
		}
		p.starts[i] = uint32(len(b) - len(r.rest))
		l, _, _ := r.nextButKeys()
		if r.short {
			return bad("they end within login %d", i)
		}
		if err := l.validateRest(); err != nil {
			return bad("login %d: %v", i, err)
		}
	}
	if len(r.rest) > 0 {
		return bad("%d of them are too many", len(r.rest))
	}
	return p, nil
}

// loginReader reads one record after the other.
type loginReader struct {
	rest  []byte
	short bool // there was less than was to be read
}

func (r *loginReader) next() DeviceLogin {
	l, user, role := r.nextButKeys()
	if !r.short {
		l.User, l.Role = UserKey(encodeKey(nkeys.PrefixByteUser, user)), AccountKey(encodeKey(nkeys.PrefixByteAccount, role))
	}
	return l
}

func (r *loginReader) nextButKeys() (l DeviceLogin, user, role []byte) {
	user, role = r.take(rawKeyLength), r.take(rawKeyLength)
	issued, expires := r.take(8), r.take(8)
	l.Name, l.Username = r.text(), r.text()
	for range r.number(1) {
		l.Tags = append(l.Tags, r.text())
	}
	if r.short {
		return DeviceLogin{}, nil, nil
	}
	l.IssuedAt, l.ExpiresAt = timeOf(int64(binary.BigEndian.Uint64(issued))), timeOf(int64(binary.BigEndian.Uint64(expires)))
	return l, user, role
}

func (r *loginReader) take(n int) []byte {
	if len(r.rest) < n || r.short {
		r.short = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *loginReader) number(bytes int) (n int) {
	for _, b := range r.take(bytes) {
		n = n<<8 | int(b)
	}
	return n
}

func (r *loginReader) text() string { return string(r.take(r.number(2))) }

// Len is how many logins are in the page.
func (p LoginPage) Len() int { return len(p.starts) }

// Login is the one at that place, below Len.
func (p LoginPage) Login(i int) DeviceLogin {
	r := loginReader{rest: p.text[p.starts[i]:]}
	l := r.next()
	copy(l.Digest[:], p.digest(i))
	return l
}

// Digest is that of the login at that place.
func (p LoginPage) Digest(i int) LoginDigest { return LoginDigest(p.digest(i)) }

// Find is the login with the digest.
func (p LoginPage) Find(digest LoginDigest) (DeviceLogin, bool) {
	i, found := p.find(digest)
	if !found {
		return DeviceLogin{}, false
	}
	return p.Login(i), true
}

// Has says whether there is a login with the digest.
func (p LoginPage) Has(digest LoginDigest) bool {
	_, found := p.find(digest)
	return found
}

func (p LoginPage) find(digest LoginDigest) (int, bool) {
	return sort.Find(p.Len(), func(i int) int { return bytes.Compare(digest[:], p.digest(i)) })
}

func (p LoginPage) digest(i int) []byte { return p.digests[i*digestLength:][:digestLength] }

// LoginPages are all of an account's.
type LoginPages []LoginPage

// Find is the login with the digest, in whichever page it is.
func (list LoginPages) Find(digest LoginDigest) (DeviceLogin, bool) {
	for _, p := range list {
		if l, ok := p.Find(digest); ok {
			return l, true
		}
	}
	return DeviceLogin{}, false
}

// Len is how many logins there are.
func (list LoginPages) Len() (n int) {
	for _, p := range list {
		n += p.Len()
	}
	return n
}

// Equal says whether two logins are the same in all.
func (l DeviceLogin) Equal(other DeviceLogin) bool {
	return l.Digest == other.Digest && l.User == other.User && l.Name == other.Name && l.Username == other.Username && l.Role == other.Role &&
		slices.Equal(l.Tags, other.Tags) && l.IssuedAt.Equal(other.IssuedAt) && l.ExpiresAt.Equal(other.ExpiresAt)
}

// SignedClaims are the claims of the credential that the login is, as its role
// would have signed them.
func (l DeviceLogin) SignedClaims(account AccountKey) *jwt.UserClaims {
	return User{Key: l.User, Name: l.Name, Account: account, Tags: l.Tags, Expires: l.ExpiresAt}.SignedClaims(l.Role, l.IssuedAt)
}
