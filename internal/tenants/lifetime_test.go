package tenants

import (
	"testing"
	"time"

	"github.com/signalbox-io/signalbox/internal/fault"
)

const day = 24 * time.Hour

func TestExpiryIsAsAskedOrByDefaultAndNeverBeyondAMaximum(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) *time.Time { return ptr(now.Add(d)) }
	role := lifetimes{Role: "sensor", RoleDefault: 30 * day, RoleMaximum: 90 * day}
	plan := lifetimes{Plan: "small", PlanDefault: 20 * day, PlanMaximum: 60 * day}
	both := lifetimes{Role: "sensor", Plan: "small", RoleDefault: 30 * day, RoleMaximum: 90 * day, PlanDefault: 20 * day, PlanMaximum: 60 * day}
	for name, c := range map[string]struct {
		l    lifetimes
		at   *time.Time
		in   *time.Duration
		want *time.Time
	}{
		"nobody says anything":                   {},
		"at a time":                              {at: in(day + 300*time.Millisecond), want: in(day)},
		"after a time":                           {in: ptr(day), want: in(day)},
		"the role's default":                     {l: role, want: in(30 * day)},
		"the plan's default":                     {l: plan, want: in(20 * day)},
		"the role's default before the plan's":   {l: both, want: in(30 * day)},
		"a maximum alone is the default":         {l: lifetimes{PlanMaximum: 60 * day}, want: in(60 * day)},
		"a default is cut to the lesser maximum": {l: lifetimes{RoleDefault: 30 * day, PlanMaximum: 10 * day}, want: in(10 * day)},
		"as long as the maximum":                 {l: both, in: ptr(60 * day), want: in(60 * day)},
	} {
		got, err := c.l.expiry(now, c.at, c.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if (got == nil) != (c.want == nil) || got != nil && !got.Equal(*c.want) {
			t.Errorf("%s: expires %v, want %v", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		l       lifetimes
		at      *time.Time
		in      *time.Duration
		pointer string
		says    string
	}{
		"both ways":                 {at: in(day), in: ptr(day), pointer: "/expires_in"},
		"in the past":               {at: in(-day), pointer: "/expires_at"},
		"in less than a second":     {in: ptr(999 * time.Millisecond), pointer: "/expires_in"},
		"beyond the role":           {l: role, at: in(91 * day), pointer: "/expires_at", says: "the role sensor lets credentials live for 90 days at most"},
		"beyond the plan":           {l: both, in: ptr(61 * day), pointer: "/expires_in", says: "the plan small lets credentials live for 60 days at most"},
		"a maximum of some hours":   {l: lifetimes{Role: "r", RoleMaximum: 90 * time.Minute}, in: ptr(day), pointer: "/expires_in", says: "1h30m0s"},
		"longer than a time can be": {l: plan, in: ptr(time.Duration(1<<63 - 1)), pointer: "/expires_in"},
	} {
		_, err := c.l.expiry(now, c.at, c.in)
		refused(t, err, fault.Invalid, c.pointer)
		if !contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.says)
		}
	}
}

func TestWarningsComeInTheLastFifth(t *testing.T) {
	t.Parallel()
	issued := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	for life, before := range map[time.Duration]time.Duration{
		10 * day: 2 * day, 365 * day: 14 * day, 2 * time.Hour: time.Hour, time.Minute: time.Hour,
	} {
		expires := issued.Add(life)
		if got := expiringFrom(issued, &expires); !got.Equal(expires.Add(-before)) {
			t.Errorf("of one that lives %s: %s before its end, want %s", life, expires.Sub(*got), before)
		}
	}
	if got := expiringFrom(issued, nil); got != nil {
		t.Errorf("one that never expires is expiring from %s", got)
	}
}
