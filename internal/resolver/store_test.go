package resolver_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/resolver"
)

func openStore(t *testing.T, path, operator string) *resolver.Store {
	t.Helper()
	s, err := resolver.OpenStore(path, operator, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func apply(t *testing.T, s *resolver.Store, b resolver.Batch) {
	t.Helper()
	if err := s.Apply(b); err != nil {
		t.Fatal(err)
	}
}

func TestStoreKeepsTheNewestOfEachAccount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	s := openStore(t, path, "O1")
	apply(t, s, resolver.Batch{AppliedTo: 7, Entries: []resolver.Entry{{"A1", 3, "three"}, {"A2", 5, "five"}, {"A1", 7, "seven"}, {"A2", 4, "four"}}})
	apply(t, s, resolver.Batch{AppliedTo: 6, Entries: []resolver.Entry{{"A1", 6, "six"}, {"A1", 7, "another seven"}}})

	check := func(s *resolver.Store) {
		t.Helper()
		for account, want := range map[string]resolver.Entry{"A1": {"A1", 7, "seven"}, "A2": {"A2", 5, "five"}} {
			got, ok, err := s.Get(account)
			if err != nil || !ok {
				t.Fatalf("get %s: %v, %v", account, ok, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", account, diff)
			}
		}
		if got := s.Applied(); got != 7 {
			t.Errorf("applied = %d, want 7: it never goes back", got)
		}
		if got := s.Stored(); got != 2 {
			t.Errorf("stored = %d, want 2", got)
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(openStore(t, path, "O1"))
}

func TestStoreKnowsNothingOfOtherAccounts(t *testing.T) {
	t.Parallel()
	s := openStore(t, filepath.Join(t.TempDir(), "accounts"), "O1")
	if _, ok, err := s.Get("A1"); ok || err != nil {
		t.Errorf("get = %v, %v, want nothing", ok, err)
	}
}

func TestRefusalStandsUntilANewerEntryIsAccepted(t *testing.T) {
	t.Parallel()
	s := openStore(t, filepath.Join(t.TempDir(), "accounts"), "O1")
	refusals := []resolver.Refusal{{Account: "A1", Revision: 2, Reason: "bad"}, {Account: "A2", Revision: 3, Reason: "worse"}}
	apply(t, s, resolver.Batch{AppliedTo: 3, Refusals: refusals})
	expect := func(want []resolver.Refusal) {
		t.Helper()
		got, err := s.Refusals(10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("refusals: -want +got\n%s", diff)
		}
	}
	expect(refusals)
	apply(t, s, resolver.Batch{AppliedTo: 4, Entries: []resolver.Entry{{"A1", 4, "good"}}})
	expect(refusals[1:])
	if got, err := s.Refusals(0); err != nil || len(got) != 0 {
		t.Errorf("refusals up to 0 = %v, %v, want none", got, err)
	}
}

func TestForeignAndDamagedFilesAreMovedAside(t *testing.T) {
	t.Parallel()
	spoilAll := func(pattern string, spoil func([]byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			s := openStore(t, path, "O1")
			apply(t, s, resolver.Batch{AppliedTo: 1, Entries: []resolver.Entry{{"A1", 1, "one"}}})
			_ = s.Close()
			files, err := filepath.Glob(filepath.Join(path, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("files %s: %v, %v", pattern, files, err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				write(t, file, spoil(text))
			}
		}
	}
	for name, spoil := range map[string]func(t *testing.T, path string){
		"another operator's": func(t *testing.T, path string) { _ = openStore(t, path, "O2").Close() },
		"not a store":        func(t *testing.T, path string) { write(t, path, []byte("hello")) },
		"index of zeros":     spoilAll("index-*", func(b []byte) []byte { return make([]byte, len(b)) }),
		"empty index":        spoilAll("index-*", func([]byte) []byte { return nil }),
		"half an index":      spoilAll("index-*", func(b []byte) []byte { return b[:len(b)/2] }),
		"of a later format": spoilAll("index-*", func(b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "signalbox index1", "signalbox index9"))
		}),
		"no log": func(t *testing.T, path string) {
			_ = openStore(t, path, "O1").Close()
			if err := os.Remove(filepath.Join(path, "log-00000001")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "accounts")
			spoil(t, path)
			s := openStore(t, path, "O1")
			if got := s.Applied(); got != 0 {
				t.Errorf("applied = %d, want 0", got)
			}
			if got := s.Healed(); got != 1 {
				t.Errorf("healed = %d, want 1", got)
			}
			apply(t, s, resolver.Batch{AppliedTo: 1, Entries: []resolver.Entry{{"A1", 1, "one"}}})
			if aside, err := filepath.Glob(path + ".unreadable-*"); err != nil || len(aside) != 1 {
				t.Errorf("moved aside: %v, %v, want one", aside, err)
			}
		})
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStoreInUseIsNotMovedAside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	openStore(t, path, "O1")
	if _, err := resolver.OpenStore(path, "O1", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another broker") {
		t.Errorf("error = %v, want it to name another broker", err)
	}
}

func TestStoreRoundTripsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	s := openStore(t, filepath.Join(t.TempDir(), "accounts"), "O1")
	var b resolver.Batch
	for i := range 300 {
		jwt := fmt.Sprintf("%d.%s", i, binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15))
		b.Entries = append(b.Entries, resolver.Entry{Account: fmt.Sprintf("A%d", i), Revision: int64(i) + 1, JWT: jwt})
	}
	apply(t, s, b)
	for _, want := range b.Entries {
		if got, ok, err := s.Get(want.Account); err != nil || !ok || got != want {
			t.Fatalf("get = %+v, %v, %v, want %+v", got, ok, err, want)
		}
	}
}

func BenchmarkStoreApply(b *testing.B) {
	for _, size := range []int{1, 64, 500} {
		b.Run(fmt.Sprintf("batch of %d", size), func(b *testing.B) {
			s, err := resolver.OpenStore(filepath.Join(b.TempDir(), "accounts"), "O1", slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			jwt := strings.Repeat("x", 1200)
			revision := int64(0)
			for b.Loop() {
				batch := resolver.Batch{}
				for range size {
					revision++
					batch.Entries = append(batch.Entries, resolver.Entry{Account: fmt.Sprintf("A%055d", revision*7919%100_000), Revision: revision, JWT: jwt})
				}
				batch.AppliedTo = revision
				if err := s.Apply(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(revision)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// One broker start with a million accounts stored; -benchtime 1x is enough.
func BenchmarkStoreOpenOfAMillion(b *testing.B) {
	path := filepath.Join(b.TempDir(), "accounts")
	s, err := resolver.OpenStore(path, "O1", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	const accounts = 1_000_000
	jwt, start := strings.Repeat("x", 1200), time.Now()
	for revision := int64(0); revision < accounts; {
		batch := resolver.Batch{Since: revision}
		for range 500 {
			revision++
			batch.Entries = append(batch.Entries, resolver.Entry{Account: fmt.Sprintf("A%055d", revision*7919%accounts), Revision: revision, JWT: jwt})
		}
		batch.AppliedTo = revision
		if err := s.Apply(batch); err != nil {
			b.Fatal(err)
		}
	}
	rate := accounts / time.Since(start).Seconds()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		s, err := resolver.OpenStore(path, "O1", slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.Sys)/(1<<20), "MiB-process")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-heap-grown")
		start := time.Now()
		for i := range 10_000 {
			if _, ok, err := s.Get(fmt.Sprintf("A%055d", i*97)); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/10_000, "ns/get")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(rate, "stored/s")
}
