package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var binaries string // folder with control and broker, built once

// TestMain is the stock server as well: the bench starts its own program as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == stockCommand {
		exit(runStock(os.Args[2]))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "signalbox-bin-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		for _, name := range []string{"control", "broker"} {
			build := exec.Command("go", "build", "-o", filepath.Join(dir, name), "../"+name)
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				panic("build " + name + ": " + err.Error())
			}
		}
		binaries = dir
		return m.Run()
	}())
}

// withoutStock are the rows of what the stock server cannot do.
var withoutStock = []string{"accounts that an empty broker takes over from control", "creds issued over REST, durably"}

// How fast anything is, is not judged: other tests run at the same time.
func TestEveryRowHasFiguresOfBothSides(t *testing.T) {
	t.Parallel()
	results, readme := filepath.Join(t.TempDir(), "bench.json"), filepath.Join(t.TempDir(), "README.md")
	original := readFile(t, "../../README.md")
	if err := os.WriteFile(readme, original, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-scale", "tiny", "-bin", binaries, "-o", results, "-readme", readme}, &out); err != nil {
		t.Fatalf("%v; it said:\n%s", err, &out)
	}
	var got report
	if err := json.Unmarshal(readFile(t, results), &got); err != nil {
		t.Fatal(err)
	}
	for _, l := range got.Rows {
		if !l.Signalbox.measured() {
			t.Errorf("%s: no figures of Signalbox: %+v", l.Name, l.Signalbox)
		}
		if has, want := l.Stock.measured(), !slices.Contains(withoutStock, l.Name); has != want {
			t.Errorf("%s: figures of the stock server: %v, want %v", l.Name, has, want)
		}
		if !strings.Contains(out.String(), l.Name) {
			t.Errorf("%s: not in what was printed:\n%s", l.Name, &out)
		}
	}
	if diff := cmp.Diff(work(readFile(t, readme)), work(original)); diff != "" {
		t.Errorf("README.md's table has other rows than a new one; `make bench SCALE=full README=1` makes it (-new +README):\n%s", diff)
	}
}

func (f *figures) measured() bool { return f != nil && f.Samples > 0 && f.Median > 0 && f.P99 > 0 }

// work is the first column of a document's table, in which numbers depend on the scale.
func work(document []byte) []string {
	_, table, _ := bytes.Cut(document, []byte(tableBegin))
	table, _, _ = bytes.Cut(table, []byte(tableEnd))
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^\| (.*?) \|`).FindAllSubmatch(table, -1) {
		names = append(names, regexp.MustCompile(`[0-9][0-9,]*`).ReplaceAllString(string(m[1]), "N"))
	}
	return names
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFiguresAreMedianAndTheWorstButOneInAHundred(t *testing.T) {
	t.Parallel()
	var samples []float64
	for i := range 200 {
		samples = append(samples, float64(200-i))
	}
	if diff := cmp.Diff(&figures{Median: 100, P99: 198, Samples: 200}, seconds.summarise(samples)); diff != "" {
		t.Errorf("of durations, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(&figures{Median: 101, P99: 3, Samples: 200}, perSecond.summarise(samples)); diff != "" {
		t.Errorf("of rates, -want +got:\n%s", diff)
	}
}

func TestTargetsAreHeldAgainstWhatTheyAreOf(t *testing.T) {
	t.Parallel()
	stock, ours := &figures{Median: 1, P99: 2, Samples: 3}, &figures{Median: 2, P99: 4, Samples: 3}
	for _, c := range []struct {
		target target
		want   bool
	}{
		{target{Of: "median", AtMost: 2}, true},
		{target{Of: "median", AtMost: 1.9}, false},
		{target{Of: "p99", AtMost: 3.9}, false},
		{target{Of: "p99", AtLeast: 4}, true},
		{target{Of: "ratio", AtLeast: 2}, true},
		{target{Of: "ratio", AtLeast: 2.1}, false},
		{target{Of: "ratio", AtMost: 1.9}, false},
	} {
		if got := (row{Stock: stock, Signalbox: ours, Target: &c.target}).met(); got == nil || *got != c.want {
			t.Errorf("%+v: met is %v, want %v", c.target, got, c.want)
		}
	}
}

func TestPartOfTheTableDoesNotReplaceIt(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), []string{"-run", "issue", "-readme", "README.md"}, io.Discard); err == nil {
		t.Error("no error for a table of some rows")
	}
}

func TestFiguresAreWrittenInThreeDigits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit  unit
		value float64
		want  string
	}{
		{seconds, 0.0000123, "12.3 µs"},
		{seconds, 0.00456, "4.56 ms"},
		{seconds, 0.517, "517 ms"},
		{seconds, 138.2, "138 s"},
		{perSecond, 1234567.8, "1,234,568 /s"},
		{perSecond, 999, "999 /s"},
		{memoryBytes, 27.5 * 1024, "27.5 KiB"},
		{memoryBytes, 709 << 20, "709 MiB"},
	} {
		if got := c.unit.format(c.value); got != c.want {
			t.Errorf("%v %s = %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}

func TestTableIsReplacedBetweenItsMarks(t *testing.T) {
	t.Parallel()
	got, err := replaceTable([]byte("before\n"+tableBegin+"old\n"+tableEnd+"after\n"), "new\n")
	if want := "before\n" + tableBegin + "new\n" + tableEnd + "after\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, document := range []string{"no marks\n", tableBegin + "no end\n"} {
		if got, err := replaceTable([]byte(document), "new\n"); err == nil {
			t.Errorf("%q became %q, want an error", document, got)
		}
	}
}

func TestSamplesAreTakenInTurn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, ofStock int
		want       string
	}{
		{4, 4, "stock ours ours stock stock ours ours stock"},
		{4, 2, "ours ours stock ours ours stock"},
		{3, 1, "ours ours stock ours"},
	} {
		var order []string
		take := func(side string) sample {
			return func() (float64, error) {
				order = append(order, side)
				return 1, nil
			}
		}
		if _, _, err := alternate(t.Context(), c.n, c.ofStock, seconds, take("stock"), take("ours")); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(order, " "); got != c.want {
			t.Errorf("%d samples, %d of them of the stock server: %s, want %s", c.n, c.ofStock, got, c.want)
		}
	}
}
