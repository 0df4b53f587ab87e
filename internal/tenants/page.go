package tenants

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// PageQuery asks for one page of a list, by keyset: the cost of a page does
// not depend on how many come before it.
type PageQuery struct {
	Limit  int    // 1 to 200; 0 means 50
	Cursor string // a page's Next; empty for the first
	Sort   string // created_at, -created_at, name, -name, expires_at or -expires_at, where the list has it; empty means the list's own order
	Query  string // only names that contain it, whatever the case; empty: all
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T
	Next  string // cursor of the next page; empty: this is the last
}

// Orders of a list. Ids sort by age, so age is read off them.
const (
	oldestFirst = "created_at"
	newestFirst = "-created_at"
	byName      = "name"
	byNameDown  = "-name"

	byExpiry     = "expires_at" // what never expires comes last
	byExpiryDown = "-expires_at"
)

const (
	defaultPageLimit = 50
	maxPageLimit     = 200
)

// Keyset is a PageQuery made ready for SQL.
type Keyset struct {
	limit   int
	sort    string
	after   *position // nil: from the start
	pattern string    // for ILIKE; empty: all names
}

// position is what a cursor holds: where a page ended, in which order.
type position struct {
	Sort string `json:"s"`
	ID   string `json:"i"`
	Name string `json:"n,omitempty"` // when sorted by name; by expiry: that time, or never
}

// NamedKeyset is Keyset for a list of things with names: it can be sorted and
// searched by them.
func (q PageQuery) NamedKeyset() (Keyset, error) {
	return q.keyset(oldestFirst, newestFirst, byName, byNameDown)
}

// Keyset checks the query for a list that comes oldest first, and has no other
// order. Errors point at ?cursor, ?limit, ?sort or ?q.
func (q PageQuery) Keyset() (Keyset, error) { return q.keyset(oldestFirst) }

// keyset checks the query for a list with these orders; the first is its own.
func (q PageQuery) keyset(sorts ...string) (Keyset, error) {
	k := Keyset{limit: q.Limit, sort: q.Sort}
	if k.limit == 0 {
		k.limit = defaultPageLimit
	}
	if k.limit < 1 || k.limit > maxPageLimit {
		return Keyset{}, fault.Field("?limit", "a page has 1 to %d items", maxPageLimit)
	}
	if k.sort == "" {
		k.sort = sorts[0]
	}
	if !slices.Contains(sorts, k.sort) {
		return Keyset{}, fault.Field("?sort", "this list can be sorted by %s", strings.Join(sorts, ", "))
	}
	if strings.ContainsRune(q.Query, 0) {
		return Keyset{}, fault.Field("?q", "no name contains this")
	}
	if q.Query != "" {
		k.pattern = "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q.Query) + "%"
	}
	if q.Cursor == "" {
		return k, nil
	}
	after, err := parseCursor(q.Cursor, k.sort)
	k.after = after
	return k, err
}

func parseCursor(cursor, sort string) (*position, error) {
	bad := fault.Field("?cursor", "this is not the next_cursor of a page of this list, in this order; leave it out to begin at the start")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, bad
	}
	var p position
	if err := json.Unmarshal(raw, &p); err != nil || p.Sort != sort || p.ID == "" {
		return nil, bad
	}
	if strings.ContainsRune(p.ID+p.Name, 0) {
		return nil, bad
	}
	if _, err := time.Parse(time.RFC3339Nano, p.Name); strings.TrimPrefix(sort, "-") == byExpiry && p.Name != never && err != nil {
		return nil, bad
	}
	return &p, nil
}

func (p position) cursor() string {
	raw, err := json.Marshal(p)
	if err != nil {
		panic(err) // three strings
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// SQL is the end of a query for one page, to go right after the conditions of
// its WHERE, and puts its arguments into args. id and name are the columns, as
// the query calls them; an empty name is for a list without names, and in one
// by expiry it is that. It reads
// one row more than the page has, so that [PageOf] knows whether there is a next.
func (k Keyset) SQL(id, name string, args pgx.StrictNamedArgs) string {
	columns, direction, comparison := []string{id}, "ASC", ">"
	if strings.HasPrefix(k.sort, "-") {
		direction, comparison = "DESC", "<"
	}
	if k.keyed() {
		columns = []string{name, id}
	}
	var sql strings.Builder
	if k.pattern != "" && name != "" {
		args["page_pattern"] = k.pattern
		sql.WriteString("\nAND " + name + " ILIKE @page_pattern")
	}
	if k.after != nil {
		args["page_id"] = k.after.ID
		bounds := "@page_id"
		if k.keyed() {
			args["page_name"] = k.after.Name
			bounds = "@page_name, @page_id"
		}
		if k.byExpiry() {
			bounds = "@page_name::text::timestamptz, @page_id"
		}
		sql.WriteString("\nAND (" + strings.Join(columns, ", ") + ") " + comparison + " (" + bounds + ")")
	}
	args["page_limit"] = k.limit + 1
	sql.WriteString("\nORDER BY " + strings.Join(columns, " "+direction+", ") + " " + direction + "\nLIMIT @page_limit")
	return sql.String()
}

// never is a time after all others, for Postgres.
const never = "infinity"

func (k Keyset) byExpiry() bool { return strings.TrimPrefix(k.sort, "-") == byExpiry }

// keyed says that the list is not sorted by id alone.
func (k Keyset) keyed() bool { return strings.TrimPrefix(k.sort, "-") == byName || k.byExpiry() }

// PageOf makes a page of the rows that a query with [Keyset.SQL] found. at is
// an item's id and name, or expiry; it is needed only where a list is sorted by it.
func PageOf[T any](k Keyset, rows []T, at func(T) (id, name string)) Page[T] {
	if len(rows) <= k.limit {
		return Page[T]{Items: rows}
	}
	rows = rows[:k.limit]
	p := position{Sort: k.sort}
	p.ID, p.Name = at(rows[len(rows)-1])
	if !k.keyed() {
		p.Name = ""
	}
	return Page[T]{Items: rows, Next: p.cursor()}
}

// ETag is how a version of a resource is written in HTTP: "3", quotes included.
// The methods that edit take it back as match; an empty match, and *, is no condition.
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// matches refuses an edit of another version than the one that match names. It
// may name several, as If-Match may.
func matches(match string, version int64) error {
	if match == "" {
		return nil
	}
	for tag := range strings.SplitSeq(match, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == ETag(version) {
			return nil
		}
	}
	return fault.New(fault.Stale, "it has been changed meanwhile; its ETag is %s now", ETag(version))
}
