package resolver_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// truth is what control knows, in memory: accounts change, are delivered to a
// store in order, and can be asked for again.
type truth struct {
	random   *rand.Rand
	revision resolver.Revision
	entries  map[string]resolver.Entry
	old      map[string]bool // what is not current any more
}

func newTruth(seed uint64) *truth {
	return &truth{random: rand.New(rand.NewPCG(seed, 1)), entries: map[string]resolver.Entry{}, old: map[string]bool{}}
}

// change makes n changes among that many accounts.
func (c *truth) change(n, accounts int) resolver.Batch {
	since := c.revision
	for range n {
		c.revision++
		name := fmt.Sprintf("A%d", c.random.IntN(accounts))
		if e, ok := c.entries[name]; ok {
			c.old[e.JWT] = true
		}
		jwt := fmt.Sprintf("%s at %d %s", name, c.revision, strings.Repeat("x", c.random.IntN(1500)))
		c.entries[name] = resolver.Entry{Account: name, Revision: c.revision, JWT: jwt}
	}
	return c.since(since)
}

func (c *truth) since(revision resolver.Revision) resolver.Batch {
	b := resolver.Batch{Since: revision, AppliedTo: c.revision}
	for _, e := range c.entries {
		if e.Revision > revision {
			b.Entries = append(b.Entries, e)
		}
	}
	slices.SortFunc(b.Entries, func(a, b resolver.Entry) int { return int(a.Revision - b.Revision) })
	return b
}

// check fails if the store serves anything that was never true, or that was not
// current at the revision that it says it has applied.
func (c *truth) check(t *testing.T, s *resolver.Store, what string) (missing []string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(c.entries)) {
		want := c.entries[name]
		got, ok, err := s.Get(name)
		if err != nil {
			t.Fatalf("%s: get %s: %v", what, name, err)
		}
		switch {
		case ok && got == want:
		case !ok:
			missing = append(missing, name)
		case want.Revision > s.Applied() && got.Revision < want.Revision && c.old[got.JWT]:
			// It does not claim to know better.
		default:
			t.Fatalf("%s: %s = revision %d at applied %d, want revision %d: it served what is wrong", what, name, got.Revision, s.Applied(), want.Revision)
		}
	}
	return missing
}

// heal is what a broker does: it catches up, and looks up what it needs.
func (c *truth) heal(t *testing.T, s *resolver.Store, what string) {
	t.Helper()
	for range 3 { // damage may show while it catches up, and make it begin again
		if err := s.Apply(c.since(s.Applied())); err == nil {
			break
		}
	}
	for _, name := range c.check(t, s, what) {
		if err := s.Apply(resolver.Batch{Entries: []resolver.Entry{c.entries[name]}, Asked: true}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if s.Applied() < c.revision { // the last damage was found by looking
		apply(t, s, c.since(s.Applied()))
	}
	if missing := c.check(t, s, what); len(missing) > 0 {
		t.Fatalf("%s: still missing after healing: %v", what, missing)
	}
	if s.Applied() != c.revision {
		t.Fatalf("%s: applied = %d, want %d", what, s.Applied(), c.revision)
	}
}

// scarred makes a store with a history: several segments, checkpoints, records
// that are out of date, and changes since the last checkpoint.
func scarred(t *testing.T, seed uint64) (string, *truth) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accounts")
	s, control := openStore(t, path, "O1"), newTruth(seed)
	s.SegmentsOf(64 << 10)
	for i := range 12 {
		apply(t, s, control.change(40, 150))
		if i%4 == 2 {
			if err := s.Tidy(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if missing := control.check(t, s, "undamaged"); len(missing) > 0 {
		t.Fatalf("missing before any damage: %v", missing)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, control
}

func copyStore(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "accounts")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func storeFiles(t *testing.T, path string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(path, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("files of the store: %v, %v", files, err)
	}
	return files
}

func TestUndamagedStoreLosesNothing(t *testing.T) {
	t.Parallel()
	path, control := scarred(t, 7)
	s := openStore(t, path, "O1")
	if missing := control.check(t, s, "opened again"); len(missing) > 0 || s.Applied() != control.revision || s.Healed() != 0 {
		t.Errorf("missing %v, applied %d of %d, healed %d", missing, s.Applied(), control.revision, s.Healed())
	}
	if got := s.Stored(); got != int64(len(control.entries)) {
		t.Errorf("stored = %d, want %d", got, len(control.entries))
	}
}

func TestStoreThatWasCutShortHeals(t *testing.T) {
	t.Parallel()
	origin, control := scarred(t, 1)
	for _, file := range storeFiles(t, origin) {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for page := 0; page <= len(whole); page += 4096 {
			for _, near := range []int{-1, 0, 1, 700} {
				end := page + near
				if end < 0 || end >= len(whole) || page%(3*4096) != 0 && near != 0 {
					continue
				}
				path := copyStore(t, origin)
				what := fmt.Sprintf("%s cut at %d of %d", filepath.Base(file), end, len(whole))
				if err := os.Truncate(filepath.Join(path, filepath.Base(file)), int64(end)); err != nil {
					t.Fatal(err)
				}
				s := openStore(t, path, "O1")
				control.check(t, s, what)
				control.heal(t, s, what)
				_ = s.Close()
				_ = os.RemoveAll(filepath.Dir(path))
			}
		}
	}
}

func TestStoreWithFlippedBitsHeals(t *testing.T) {
	t.Parallel()
	origin, control := scarred(t, 2)
	random := rand.New(rand.NewPCG(3, 3))
	var healed int64
	for _, file := range storeFiles(t, origin) {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for page := 0; page < len(whole); page += 4096 {
			path := copyStore(t, origin)
			spoiled := slices.Clone(whole)
			at := page + random.IntN(min(4096, len(whole)-page))
			spoiled[at] ^= 1 << random.IntN(8)
			what := fmt.Sprintf("a bit flipped in %s at %d", filepath.Base(file), at)
			write(t, filepath.Join(path, filepath.Base(file)), spoiled)
			s := openStore(t, path, "O1")
			control.check(t, s, what)
			control.heal(t, s, what)
			healed += s.Healed()
			_ = s.Close()
			_ = os.RemoveAll(filepath.Dir(path))
		}
	}
	if healed == 0 {
		t.Error("no damage was ever noticed")
	}
}

// Files are spoiled while the store is open, too: nothing of it is trusted because
// it was good before.
func TestStoreThatIsSpoiledWhileOpenHeals(t *testing.T) {
	t.Parallel()
	for round := range uint64(30) {
		path, control := scarred(t, 100+round)
		s := openStore(t, path, "O1")
		s.SegmentsOf(64 << 10)
		files := storeFiles(t, path)
		file := files[control.random.IntN(len(files))]
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("round %d, %s", round, filepath.Base(file))
		if round%2 == 0 {
			err = os.Truncate(file, control.random.Int64N(int64(len(whole)+1)))
		} else {
			for range 20 {
				whole[control.random.IntN(len(whole))] ^= 1 << control.random.IntN(8)
			}
			err = os.WriteFile(file, whole, 0o600) // the same file: the store has it open
		}
		if err != nil {
			t.Fatal(err)
		}
		control.check(t, s, what)
		control.change(10, 150)
		control.heal(t, s, what)
		for range 6 { // what is out of date is cleaned away around the damage
			if err := s.Apply(control.change(40, 150)); err != nil {
				t.Logf("%s: %v", what, err)
			}
			if err := s.Tidy(); err != nil {
				t.Logf("%s: %v", what, err)
			}
			control.heal(t, s, what)
		}
		_ = s.Close()
		control.heal(t, openStore(t, path, "O1"), what+", opened again")
	}
}

// A store restored from an older copy is what the store was then.
func TestOlderCopyOfAStoreKnowsThatItIsOlder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	s, control := openStore(t, path, "O1"), newTruth(5)
	apply(t, s, control.change(50, 20))
	copied := copyStore(t, path)
	was := control.revision
	apply(t, s, control.change(50, 20))
	restored := openStore(t, copied, "O1")
	if got := restored.Applied(); got != was {
		t.Errorf("applied = %d, want %d", got, was)
	}
	control.heal(t, restored, "restored")
}

func TestLogIsCleanedOfWhatIsOutOfDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	s, control := openStore(t, path, "O1"), newTruth(6)
	s.SegmentsOf(32 << 10)
	for range 100 {
		apply(t, s, control.change(50, 40))
		if err := s.Tidy(); err != nil {
			t.Fatal(err)
		}
	}
	var size int64
	for _, file := range storeFiles(t, path) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 400<<10 {
		t.Errorf("the store takes %d bytes for %d bytes of accounts", size, s.Size())
	}
	_ = s.Close()
	s = openStore(t, path, "O1")
	if missing := control.check(t, s, "cleaned"); len(missing) > 0 {
		t.Errorf("missing: %v", missing)
	}
}

func TestFullDiskLosesNothingAndHealsWithSpace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	s, control := openStore(t, path, "O1"), newTruth(8)
	apply(t, s, control.change(50, 20))
	was := control.revision
	s.FailWrites(syscall.ENOSPC)
	for range 3 {
		control.change(5, 20)
		if err := s.Apply(control.since(s.Applied())); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("apply = %v, want no space left", err)
		}
	}
	if got := s.Applied(); got != was {
		t.Errorf("applied = %d, want %d: nothing was stored", got, was)
	}
	control.check(t, s, "full")
	s.FailWrites(nil)
	apply(t, s, control.since(s.Applied()))
	_ = s.Close()
	s = openStore(t, path, "O1")
	if missing := control.check(t, s, "with space again"); len(missing) > 0 || s.Applied() != control.revision || s.Healed() != 0 {
		t.Errorf("missing %v, applied %d of %d, healed %d", missing, s.Applied(), control.revision, s.Healed())
	}
}

func TestStoreReadsBackInOrderOfRevision(t *testing.T) {
	t.Parallel()
	path, control := scarred(t, 9)
	s := openStore(t, path, "O1")
	apply(t, s, resolver.Batch{Provisional: true, Entries: []resolver.Entry{{"AP", control.revision + 7, "a peer's"}}})
	for since := resolver.Revision(0); since <= control.revision; since += 37 {
		want := control.since(since).Entries
		got, more, err := s.Since(since, 50)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want[:min(50, len(want))]) || more != (len(want) > 50) {
			t.Fatalf("since %d: %d entries, more %v; want %d", since, len(got), more, len(want))
		}
	}
}

func TestEachAccountIsVisitedOnceUnderItsPrefix(t *testing.T) {
	t.Parallel()
	s := openStore(t, filepath.Join(t.TempDir(), "accounts"), "O1")
	want := map[string]resolver.Entry{}
	for revision := range resolver.Revision(600) {
		_, key := brokertest.NewAccountSeed(t)
		e := resolver.Entry{Account: string(key), Revision: revision + 1, JWT: fmt.Sprint("jwt ", revision)}
		want[e.Account] = e
		apply(t, s, resolver.Batch{AppliedTo: e.Revision, Entries: []resolver.Entry{e}})
		if revision == 400 {
			if err := s.Tidy(); err != nil {
				t.Fatal(err)
			}
		}
	}
	visit := func(prefix string) map[string]resolver.Entry {
		got := map[string]resolver.Entry{}
		applied, err := s.Each(prefix, func(e resolver.Entry) error {
			if _, twice := got[e.Account]; twice {
				t.Errorf("%s came twice", e.Account)
			}
			got[e.Account] = e
			return nil
		})
		if err != nil || applied != 600 {
			t.Fatalf("each: %d, %v", applied, err)
		}
		return got
	}
	if got := visit(""); !maps.Equal(got, want) {
		t.Errorf("all: %d accounts, want %d", len(got), len(want))
	}
	byPrefix := map[string]int{}
	for account := range want {
		byPrefix[account[:2]]++
		byPrefix[account[:4]]++
	}
	for prefix, n := range byPrefix {
		if got := visit(prefix); len(got) != n {
			t.Errorf("%s: %d accounts, want %d", prefix, len(got), n)
		}
	}
}

func TestControlsWordTakesThePlaceOfAPeers(t *testing.T) {
	t.Parallel()
	s := openStore(t, filepath.Join(t.TempDir(), "accounts"), "O1")
	apply(t, s, resolver.Batch{AppliedTo: 5, Entries: []resolver.Entry{{"A1", 5, "five"}}})
	apply(t, s, resolver.Batch{Provisional: true, Entries: []resolver.Entry{{"A1", 1 << 60, "a peer's"}}})
	if got, _, _ := s.Get("A1"); got.JWT != "a peer's" || s.Applied() != 5 {
		t.Errorf("get = %+v at %d, want the peer's at 5", got, s.Applied())
	}
	apply(t, s, resolver.Batch{AppliedTo: 6, Entries: []resolver.Entry{{"A1", 6, "six"}}})
	if got, _, _ := s.Get("A1"); got.JWT != "six" {
		t.Errorf("get = %+v, want control's", got)
	}
}

func TestSmallValuesLiveAsLongAsTheStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	s := openStore(t, path, "O1")
	if err := s.SetMeta("confirmed", []byte("noon")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_ = s.Close()
		s = openStore(t, path, "O1")
		if got := string(s.Meta("confirmed")); got != "noon" {
			t.Errorf("meta = %q, want noon", got)
		}
		if err := s.Tidy(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Meta("other"); got != nil {
		t.Errorf("meta = %q, want nothing", got)
	}
}

func openCache(t *testing.T, path string, limit resolver.CacheLimit) *resolver.Store {
	t.Helper()
	s, err := resolver.OpenCache(path, "O1", limit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func held(t *testing.T, s *resolver.Store, accounts ...string) (names []string) {
	t.Helper()
	for _, name := range accounts {
		if _, ok, err := s.Get(name); err != nil {
			t.Fatal(err)
		} else if ok {
			names = append(names, name)
		}
	}
	return names
}

func TestCacheHoldsWhatWasUsedLast(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	s := openCache(t, path, resolver.CacheLimit{Accounts: 3})
	ask := func(s *resolver.Store, revision resolver.Revision, accounts ...string) {
		for _, name := range accounts {
			apply(t, s, resolver.Batch{Asked: true, Entries: []resolver.Entry{{name, revision, name}}})
		}
	}
	ask(s, 1, "A1", "A2", "A3")
	s.Pin("A1") // the server has loaded it
	s.Pin("A2")
	s.Unpin("A2") // used later than A3
	ask(s, 1, "A4")
	if got := held(t, s, "A1", "A2", "A3", "A4"); !slices.Equal(got, []string{"A1", "A2", "A4"}) {
		t.Errorf("held = %v, want A3 gone: it was used least recently", got)
	}
	ask(s, 1, "A5", "A6", "A7")
	if got := held(t, s, "A1", "A2", "A4", "A5", "A6", "A7"); !slices.Equal(got, []string{"A1", "A6", "A7"}) {
		t.Errorf("held = %v, want A1, which is in use, and the last two", got)
	}
	t.Run("after a restart", func(t *testing.T) {
		_ = s.Close()
		s := openCache(t, path, resolver.CacheLimit{Accounts: 3})
		ask(s, 1, "A8")
		if got := held(t, s, "A1", "A6", "A7", "A8"); !slices.Equal(got, []string{"A6", "A7", "A8"}) {
			t.Errorf("held = %v, want the last three", got)
		}
		if s.Stored() != 3 {
			t.Errorf("stored = %d, want 3", s.Stored())
		}
	})
}

func TestCacheIsBoundedByBytes(t *testing.T) {
	t.Parallel()
	s := openCache(t, filepath.Join(t.TempDir(), "accounts"), resolver.CacheLimit{Bytes: 10_000})
	for i := range 50 {
		apply(t, s, resolver.Batch{Asked: true, Entries: []resolver.Entry{{fmt.Sprint("A", i), 1, strings.Repeat("x", 1000)}}})
	}
	if got := s.Size(); got > 10_000 || got < 8_000 {
		t.Errorf("size = %d, want close to 10000 and below", got)
	}
	if got := held(t, s, "A0", "A49"); !slices.Equal(got, []string{"A49"}) {
		t.Errorf("held = %v, want A49", got)
	}
}

func TestCacheKeepsChangesOnlyOfWhatItHolds(t *testing.T) {
	t.Parallel()
	s := openCache(t, filepath.Join(t.TempDir(), "accounts"), resolver.CacheLimit{Accounts: 10})
	apply(t, s, resolver.Batch{Asked: true, Entries: []resolver.Entry{{"A1", 1, "one"}}})
	s.Pin("A3") // being looked up
	apply(t, s, resolver.Batch{AppliedTo: 4, Entries: []resolver.Entry{{"A1", 2, "two"}, {"A2", 3, "three"}, {"A3", 4, "four"}}})
	if got := held(t, s, "A1", "A2", "A3"); !slices.Equal(got, []string{"A1", "A3"}) || s.Applied() != 4 {
		t.Errorf("held = %v at %d, want A1 and A3 at 4", got, s.Applied())
	}
	if got, _, _ := s.Get("A1"); got.JWT != "two" {
		t.Errorf("A1 = %+v, want the change", got)
	}
}

func TestCacheThatBecomesAMirrorAsksForEverything(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	s := openCache(t, path, resolver.CacheLimit{Accounts: 10})
	apply(t, s, resolver.Batch{AppliedTo: 9, Entries: []resolver.Entry{{"A1", 9, "nine"}}})
	_ = s.Close()
	mirror := openStore(t, path, "O1")
	if mirror.Applied() != 0 || mirror.Mode() != "mirror" {
		t.Errorf("%s, applied = %d, want a mirror at 0", mirror.Mode(), mirror.Applied())
	}
	apply(t, mirror, resolver.Batch{AppliedTo: 9, Entries: []resolver.Entry{{"A1", 9, "nine"}}})
	_ = mirror.Close()
	if again := openStore(t, path, "O1"); again.Applied() != 9 {
		t.Errorf("applied = %d, want 9", again.Applied())
	}
}

func TestCacheLimitsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]resolver.CacheLimit{"100000": {Accounts: 100_000}, "512MB": {Bytes: 512 << 20}, "1GB": {Bytes: 1 << 30}, "7KB": {Bytes: 7 << 10}} {
		if got, err := resolver.ParseCacheLimit(text); err != nil || got != want {
			t.Errorf("%q = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "MB", "1TB", "1 MB", "99999999999"} {
		if _, err := resolver.ParseCacheLimit(text); err == nil {
			t.Errorf("%q was taken for a size", text)
		}
	}
}
