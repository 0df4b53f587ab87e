package claims

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Page holds what an account's JWT has no room for: a [RevocationPage], a
// [LoginPage] or a [TrustPage]. The JWT names its pages by their hashes, in
// tags, so the operator's signature covers them, and whoever lacks a page knows
// that. A page never changes: when what it says does, there is another page,
// with another name.
type Page interface {
	Bytes() []byte // what the page's hash is of. Do not change them
	Name() PageName
}

// content is what pages of all kinds have in common.
type content struct {
	text []byte
	name PageName
}

func contentOf(kind PageKind, b []byte) content { return content{b, PageName{kind, HashPage(b)}} }

// Bytes are what the page's hash is of. Do not change them.
func (c content) Bytes() []byte { return c.text }

// Name is what the page goes by; empty for the zero page.
func (c content) Name() PageName { return c.name }

// Hash is that of the page's bytes; empty for the zero page.
func (c content) Hash() PageHash { return c.name.Hash }

// PageKind is what a page holds.
type PageKind string

// The kinds of pages.
const (
	RevocationKind PageKind = "revocations"
	LoginKind      PageKind = "logins"
	TrustKind      PageKind = "trust"
)

var pageKinds = []PageKind{RevocationKind, LoginKind, TrustKind}

// PageName names a page: its kind, and the hash of its bytes.
type PageName struct {
	Kind PageKind
	Hash PageHash
}

// String is a token of a subject, and a file's name: the bare hash of a
// revocation page, which is what there was first, and logins-… or trust-….
func (n PageName) String() string {
	if n.Kind == RevocationKind {
		return string(n.Hash)
	}
	return string(n.Kind) + "-" + string(n.Hash)
}

// ParsePageName reads what [PageName.String] wrote; what is none is fault.Invalid.
func ParsePageName(s string) (PageName, error) {
	name := PageName{Kind: RevocationKind}
	for _, kind := range pageKinds[1:] {
		if rest, ok := strings.CutPrefix(s, string(kind)+"-"); ok {
			name.Kind, s = kind, rest
		}
	}
	var err error
	name.Hash, err = ParsePageHash(s)
	return name, err
}

// DecodePage holds bytes from anywhere against the name of the page that they
// should be, and reads them. They must not change afterwards.
func DecodePage(name PageName, b []byte) (Page, error) {
	if HashPage(b) != name.Hash {
		return nil, fault.New(fault.Invalid, "these %d bytes are not page %s", len(b), name)
	}
	switch name.Kind {
	case RevocationKind:
		return DecodeRevocationPage(b)
	case LoginKind:
		return DecodeLoginPage(b)
	case TrustKind:
		return DecodeTrustPage(b)
	}
	return nil, fault.New(fault.Invalid, "there are no pages of kind %.32q", string(name.Kind))
}

// Pages are all of an account's.
type Pages struct {
	Revocations RevocationPages
	Logins      LoginPages
	Trust       TrustPage // zero: there is none
}

// PagesOf sorts pages by their kind.
func PagesOf(list ...Page) (all Pages) {
	for _, p := range list {
		switch p := p.(type) {
		case RevocationPage:
			all.Revocations = append(all.Revocations, p)
		case LoginPage:
			all.Logins = append(all.Logins, p)
		case TrustPage:
			all.Trust = p
		}
	}
	return all
}

// PageHash is the SHA-256 of a page's bytes in hexadecimal digits.
type PageHash string

// HashPage is the hash of the page with these bytes.
func HashPage(b []byte) PageHash { return PageHash(hashOf(b)) }

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// ParsePageHash reads a page's hash; what is none is fault.Invalid.
func ParsePageHash(s string) (PageHash, error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != s {
		return "", fault.New(fault.Invalid, "the name of a page has 64 hexadecimal digits")
	}
	return PageHash(s), nil
}

// tag is how an account's JWT names pages of that kind.
func (k PageKind) tag() string { return ReservedTags + string(k) + ":" }

// PageNames are those of all the account's pages.
func (a Account) PageNames() (names []PageName) {
	for _, hash := range a.Pages {
		names = append(names, PageName{RevocationKind, hash})
	}
	for _, hash := range a.Logins {
		names = append(names, PageName{LoginKind, hash})
	}
	if a.Trust != "" {
		names = append(names, PageName{TrustKind, a.Trust})
	}
	return names
}

func (a *Account) setPages(names []PageName) {
	for _, name := range names {
		switch name.Kind {
		case RevocationKind:
			a.Pages = append(a.Pages, name.Hash)
		case LoginKind:
			a.Logins = append(a.Logins, name.Hash)
		case TrustKind:
			a.Trust = name.Hash
		}
	}
}

func pageTags(names []PageName) (tags []string) {
	for _, name := range names {
		tags = append(tags, name.Kind.tag()+string(name.Hash))
	}
	return tags
}

// readPageTag returns false for a tag that names no page. A page with a name that
// is none is fault.Invalid: there is a page then, and nobody knows which.
func readPageTag(tag string) (name PageName, ok bool, err error) {
	for _, kind := range pageKinds {
		text, ok := strings.CutPrefix(tag, kind.tag())
		if !ok {
			continue
		}
		hash, err := ParsePageHash(text)
		return PageName{kind, hash}, true, wrap("read the names of the account's "+string(kind)+" pages", err)
	}
	return PageName{}, false, nil
}

// MayNamePages is a quick look at an account JWT that is trusted already. False
// is certain; true is to be asked of [DecodeAccount].
func MayNamePages(token string) bool {
	for _, kind := range pageKinds {
		if contains(token, kind.tag()) {
			return true
		}
	}
	return false
}

func (a Account) validatePages() error {
	if err := validatePages("/pages", a.Pages); err != nil {
		return err
	}
	if err := validatePages("/logins", a.Logins); err != nil {
		return err
	}
	if a.Trust == "" {
		return nil
	}
	_, err := ParsePageHash(string(a.Trust))
	return fault.At("/trust", err)
}

func validatePages(pointer string, pages []PageHash) error {
	seen := make(map[PageHash]bool, len(pages))
	for i, hash := range pages {
		if _, err := ParsePageHash(string(hash)); err != nil {
			return fault.At(fmt.Sprintf("%s/%d", pointer, i), err)
		}
		if seen[hash] {
			return fault.Field(fmt.Sprintf("%s/%d", pointer, i), "this page is listed twice")
		}
		seen[hash] = true
	}
	return nil
}
