package resolver

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDigestOfAStoreLeadsToEveryAccount(t *testing.T) {
	t.Parallel()
	store, err := OpenStore(filepath.Join(t.TempDir(), "accounts"), "O1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	letters := strings.NewReplacer("0", "A", "1", "B", "2", "C", "3", "D", "4", "E", "5", "F", "6", "G", "7", "H", "8", "I", "9", "J") // as keys are written
	var entries []Entry
	want, sums := map[string]Held{}, map[string]int64{}
	for i := range 6000 {
		account := letters.Replace(fmt.Sprintf("0%d%02d%04d%048d", i%4, i%25, i, 0)) // 100 buckets of 60
		e := Entry{Account: account, Revision: Revision(i + 1), JWT: strings.Repeat("x", i%7)}
		entries = append(entries, e)
		want[account] = Held{Account: account, Revision: e.Revision, Sum: SumOf(account, e.JWT)}
		sums[account[:4]] ^= SumOf(account, e.JWT)
	}
	if err := store.Apply(Batch{Entries: entries, AppliedTo: 6000}); err != nil {
		t.Fatal(err)
	}

	all, err := store.digest(digestRequest{})
	if err != nil || all.Applied != 6000 {
		t.Fatalf("applied = %d, %v", all.Applied, err)
	}
	if diff := cmp.Diff(sums, all.Sums); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
	got, answers := map[string]Held{}, 0
	for left := differing(all.Sums, nil); len(left) > 0; answers++ {
		a, err := store.digest(digestRequest{Buckets: left[:min(bucketsAtOnce, len(left))]})
		if err != nil || a.Covered == 0 {
			t.Fatalf("covered %d buckets, %v", a.Covered, err)
		}
		if size := len(mustJSON(a)); size > maxDigestBytes {
			t.Errorf("an answer has %d bytes, want at most %d", size, maxDigestBytes)
		}
		for _, held := range a.Held {
			got[held.Account] = held
		}
		left = left[a.Covered:]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
	if answers < 2 {
		t.Error("all came in one answer: the test shows nothing")
	}
}

func TestWhatIsOnItsWayIsNoDrift(t *testing.T) {
	t.Parallel()
	var d Drift
	d.compare(digestAnswer{Applied: 10, Held: []Held{
		{"same", 1, 1}, {"stale", 2, 1}, {"late", 3, 1}, {"foreign", 4, 1}, {"ahead", 50, 1},
	}}, []Held{
		{"same", 1, 1}, {"stale", 9, 2}, {"late", 11, 2}, {"missing", 10, 1}, {"new", 12, 1}, {"ahead", 8, 2},
	})
	want := Drift{Applied: 10, Highest: 50, Stale: []string{"stale", "ahead"}, Missing: []string{"missing"}, Foreign: []string{"foreign"}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
