package tenants

import "strconv"

// PageQuery asks for one page of a list, by keyset: the cost of a page does
// not depend on how many come before it.
type PageQuery struct {
	Limit  int    // 1 to 200; 0 means 50
	Cursor string // a page's Next; empty for the first
	Sort   string // created_at, -created_at, name or -name; empty means created_at
	Query  string // only names that contain it, whatever the case; empty: all
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T
	Next  string // cursor of the next page; empty: this is the last
}

// Once makes a create safe to repeat for 24 hours. The zero Once does not.
type Once struct {
	Key     string   // the caller's Idempotency-Key
	Request [32]byte // SHA-256 of operation, path and body
}

// ETag is how a version of a resource is written in HTTP: "3", quotes included.
// The methods that edit take it back as match; an empty match, and *, is no condition.
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }
