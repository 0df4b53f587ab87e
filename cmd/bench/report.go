package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// report is all of a run, and what it ran on.
type report struct {
	Scale      string `json:"scale"`
	Date       string `json:"date"`
	Cores      int    `json:"cores"`
	Processor  string `json:"processor"`
	System     string `json:"system"`
	Go         string `json:"go"`
	NATSServer string `json:"nats_server"`
	Rows       []line `json:"rows"`
}

// line is a row with what follows from it.
type line struct {
	row
	Ratio float64 `json:"ratio,omitempty"` // Signalbox's median by the stock server's
	Met   *bool   `json:"met,omitempty"`
}

func (b *bench) report(scale string) report {
	r := report{
		Scale: scale, Date: time.Now().UTC().Format(time.DateOnly), Cores: runtime.NumCPU(), Processor: processor(),
		System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), NATSServer: server.VERSION,
	}
	for _, row := range b.rows {
		r.Rows = append(r.Rows, line{row: row, Ratio: row.ratio(), Met: row.met()})
	}
	return r
}

// processor is what Linux says it is; empty elsewhere.
func processor() string {
	info, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer info.Close()
	for lines := bufio.NewScanner(info); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// write shows the table, and writes the files that have a name.
func (r report) write(stdout io.Writer, results, readme string) error {
	r.show(stdout)
	if results != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(results, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if readme == "" {
		return nil
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	if text, err = replaceTable(text, r.markdown()); err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	return os.WriteFile(readme, text, 0o644)
}

func (r report) show(out io.Writer) {
	fmt.Fprintf(out, "\n%s. Median / 99th percentile.\n\n", r.machine())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORK\tSTOCK\tSIGNALBOX\tRATIO\tTARGET\tMET")
	for _, l := range r.Rows {
		fmt.Fprintln(table, strings.Join(r.cells(l), "\t"))
	}
	table.Flush()
	fmt.Fprint(out, r.notes())
}

func (r report) machine() string {
	return fmt.Sprintf("Scale %s on %d cores (%s, %s), %s, nats-server %s, %s", r.Scale, r.Cores, r.Processor, r.System, r.Go, r.NATSServer, r.Date)
}

// cells are a line of the table; a number in parentheses refers to a note.
func (r report) cells(l line) []string {
	name := l.Name
	if i := slices.Index(r.noted(), l.Note); i >= 0 {
		name += fmt.Sprintf(" (%d)", i+1)
	}
	met := "—"
	if l.Met != nil {
		met = map[bool]string{true: "yes", false: "no"}[*l.Met]
	}
	return []string{name, l.cell(l.Stock), l.cell(l.Signalbox), l.share(), l.goal(), met}
}

// noted are all notes, each once.
func (r report) noted() []string {
	var notes []string
	for _, l := range r.Rows {
		if l.Note != "" && !slices.Contains(notes, l.Note) {
			notes = append(notes, l.Note)
		}
	}
	return notes
}

// notes is the list below the table.
func (r report) notes() string {
	var text strings.Builder
	for i, note := range r.noted() {
		fmt.Fprintf(&text, "\n%d. %s", i+1, note)
	}
	return text.String() + "\n"
}

// share is the ratio in three digits.
func (l line) share() string {
	if l.Ratio == 0 {
		return "—"
	}
	return fmt.Sprintf("%.3g", l.Ratio)
}

// markdown is the table, with the notes below it.
func (r report) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "| work | nats-server %s | Signalbox | ratio | target | met |\n|---|---|---|---|---|---|\n", r.NATSServer)
	for _, l := range r.Rows {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(r.cells(l), " | "))
	}
	fmt.Fprintf(&text, "\nMedian / 99th percentile, or the one figure of what was measured once; the ratio is Signalbox's median to the\nother. %s.\n%s", r.machine(), r.notes())
	return text.String()
}

const (
	tableBegin = "<!-- bench:begin -->\n"
	tableEnd   = "<!-- bench:end -->\n"
)

// replaceTable puts the table between the marks of a document.
func replaceTable(document []byte, table string) ([]byte, error) {
	before, rest, begun := bytes.Cut(document, []byte(tableBegin))
	_, after, ended := bytes.Cut(rest, []byte(tableEnd))
	if !begun || !ended {
		return nil, fmt.Errorf("it has no table between %q and %q", strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return bytes.Join([][]byte{before, []byte(tableBegin), []byte(table), []byte(tableEnd), after}, nil), nil
}
