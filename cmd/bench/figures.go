package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// unit is what a figure counts.
type unit string

const (
	seconds     unit = "seconds"
	perSecond   unit = "per second"
	memoryBytes unit = "bytes"
)

// figures are what many samples of one thing came to.
type figures struct {
	Median  float64 `json:"median"`
	P99     float64 `json:"p99"` // 99 of 100 samples were at least as good
	Samples int     `json:"samples"`
}

// row is one line of the table.
type row struct {
	Name      string   `json:"name"`
	Unit      unit     `json:"unit"`
	Stock     *figures `json:"stock"` // nil: it has no such thing
	Signalbox *figures `json:"signalbox"`
	Target    *target  `json:"target,omitempty"` // nil: none was set
	Note      string   `json:"note,omitempty"`
}

// target is what a figure of Signalbox's should be.
type target struct {
	Of      string  `json:"of"` // median, p99 or ratio
	AtMost  float64 `json:"at_most,omitempty"`
	AtLeast float64 `json:"at_least,omitempty"`
}

// summarise sorts the samples from good to bad, and picks.
func (u unit) summarise(samples []float64) *figures {
	sorted := slices.Sorted(slices.Values(samples))
	if u == perSecond {
		slices.Reverse(sorted)
	}
	at := func(share float64) float64 {
		return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
	}
	return &figures{Median: at(0.5), P99: at(0.99), Samples: len(sorted)}
}

// ratio is Signalbox's median by the stock server's; 0 when there is none.
func (r row) ratio() float64 {
	if r.Stock == nil || r.Stock.Median == 0 {
		return 0
	}
	return r.Signalbox.Median / r.Stock.Median
}

// met is nil when there is no target.
func (r row) met() *bool {
	if r.Target == nil {
		return nil
	}
	value := map[string]float64{"median": r.Signalbox.Median, "p99": r.Signalbox.P99, "ratio": r.ratio()}[r.Target.Of]
	met := value <= r.Target.AtMost
	if r.Target.AtLeast > 0 {
		met = value >= r.Target.AtLeast
	}
	return &met
}

func (r row) goal() string {
	if r.Target == nil {
		return "—"
	}
	sign, bound := "≤", r.Target.AtMost
	if r.Target.AtLeast > 0 {
		sign, bound = "≥", r.Target.AtLeast
	}
	if r.Target.Of == "ratio" {
		return fmt.Sprintf("ratio %s %.2f", sign, bound)
	}
	return fmt.Sprintf("%s %s %s", r.Target.Of, sign, r.Unit.format(bound))
}

// cell is median and p99, or the one figure that there is.
func (r row) cell(f *figures) string {
	switch {
	case f == nil:
		return "—"
	case f.Samples == 1:
		return r.Unit.format(f.Median)
	}
	return r.Unit.format(f.Median) + " / " + r.Unit.format(f.P99)
}

func (u unit) format(v float64) string {
	switch {
	case u == perSecond:
		return count(int(math.Round(v))) + " /s"
	case u == memoryBytes && v < 1<<20:
		return digits(v/(1<<10)) + " KiB"
	case u == memoryBytes:
		return digits(v/(1<<20)) + " MiB"
	case v < 0.001:
		return digits(v*1e6) + " µs"
	case v < 1:
		return digits(v*1000) + " ms"
	}
	return digits(v) + " s"
}

// digits writes three of them, and never an exponent.
func digits(v float64) string {
	places := 2
	for bound := 10.0; places > 0 && v >= bound; bound *= 10 {
		places--
	}
	return fmt.Sprintf("%.*f", places, v)
}

// count writes a number with commas.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// sample measures one thing once.
type sample func() (float64, error)

// side is one of the two, and what was measured of it.
type side struct {
	name    string
	measure sample
	samples []float64
}

func (s *side) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v, err := s.measure()
	if err != nil {
		return fmt.Errorf("measure %s: %w", s.name, err)
	}
	s.samples = append(s.samples, v)
	return nil
}

// rest is how long one side has to end what a sample has left it to do, before
// the other side is measured on the same cores. A stock server goes on for some
// 80 ms when it has told 5,000 clients of an account's change.
const rest = 200 * time.Millisecond

// alternate takes n samples of Signalbox and, spread among them, so many of the
// stock server, and now one and now the other goes first.
func alternate(ctx context.Context, n, ofStock int, u unit, stock, signalbox sample) (*figures, *figures, error) {
	theirs, ours := side{name: "the stock server", measure: stock}, side{name: "Signalbox", measure: signalbox}
	var last *side
	for i := range n {
		turns := []*side{&ours}
		if (i+1)*ofStock/n > len(theirs.samples) {
			turns = append(turns, &theirs)
		}
		if i%2 == 0 {
			slices.Reverse(turns)
		}
		for _, s := range turns {
			if last != nil && s != last {
				time.Sleep(rest)
			}
			last = s
			if err := s.take(ctx); err != nil {
				return nil, nil, err
			}
		}
	}
	return u.summarise(theirs.samples), u.summarise(ours.samples), nil
}

// rate makes a sample of something that is done again and again, from how often
// it was done.
func rate(do func() (times int, err error)) sample {
	return func() (float64, error) {
		began := time.Now()
		times, err := do()
		return float64(times) / time.Since(began).Seconds(), err
	}
}
