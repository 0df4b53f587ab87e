package admission_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
)

// Subjects share few tokens, so that lists of them overlap. A second word is a queue.
var (
	plainSubjects = []string{
		"a", "b", "a.b", "a.*", "a.>", "*.b", "orders.eu", "orders.*", "orders.>", "*", ">", "mark.>",
		"a q1", "a.> q.*", "orders.* *", "> q1", "b q2",
	}
	templateSubjects = append([]string{
		"{{name()}}", "{{name()}}.>", "user.{{subject()}}.*", "acc.{{account-name()}}", "acc.{{account-subject()}}.>",
		"team.{{tag(team)}}.>", "team.{{tag(team)}}.{{tag(region)}}", "tier.{{account-tag(tier)}}", "zone.{{account-tag(zone)}}.*",
		"{{ NAME() }}.x", "{{Tag(team)}}.x", "odd.{{tag(odd)}}", "odd.{{account-tag(odd)}}", "{{tag(team)}} q1", "orders.{{tag(region)}}.{{name()}}",
		"{{name()}}.{{name()}}", "{name()}", "{{name()", "a..b",
	}, plainSubjects...)
)

// permissions draws some, often none.
func permissions(r *rand.Rand, subjects []string) jwt.Permissions {
	var p jwt.Permissions
	if chance(r, 2) {
		p.Pub = jwt.Permission{Allow: withoutQueues(some(r, 3, subjects...)), Deny: denied(r, withoutQueues(some(r, 2, subjects...)))}
	}
	if chance(r, 2) {
		p.Sub = jwt.Permission{Allow: some(r, 3, subjects...), Deny: denied(r, some(r, 2, subjects...))}
	}
	if chance(r, 4) {
		p.Resp = &jwt.ResponsePermission{MaxMsgs: pick(r, -1, 0, 1, 2), Expires: pick(r, -1, 0, time.Nanosecond, time.Hour)}
	}
	return p
}

// denied leaves out, mostly, what in a template would refuse most logins.
func denied(r *rand.Rand, subjects []string) []string {
	return slices.DeleteFunc(subjects, func(s string) bool {
		return strings.Contains(s, "tag(") && !chance(r, 8) || s == ">" && !chance(r, 4)
	})
}

func withoutQueues(subjects []string) []string {
	return slices.DeleteFunc(subjects, func(s string) bool { return strings.Contains(s, " q") || strings.HasSuffix(s, " *") })
}

func natsLimits(r *rand.Rand) jwt.NatsLimits {
	return jwt.NatsLimits{Subs: pick[int64](r, -1, -1, 10, 3), Payload: pick[int64](r, -1, -1, 0, 50, 1<<40), Data: pick[int64](r, -1, 0, 1000)}
}

func networksHere(r *rand.Rand) jwt.CIDRList {
	return append(some(r, 2, "10.0.0.0/8", "::1/128", "192.168.1.1/32"), pick(r, "127.0.0.0/8", "0.0.0.0/0", "127.0.0.1/29"))
}

// timesNow are hours of a day, in some place, that have begun half an hour ago
// at the latest and have as much left. In one of the places it is another day.
func (w *world) timesNow(r *rand.Rand) ([]jwt.TimeRange, string) {
	place := pick(r, "", "UTC", "Asia/Kathmandu", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago")
	half := func() time.Duration { return 30*time.Minute + time.Duration(r.Int64N(int64(9*time.Hour))) }
	times := []jwt.TimeRange{w.hours(place, -half(), half())}
	if chance(r, 2) {
		times = append(times, w.timesNot(place)...)
	}
	return times, place
}

// timesNot are hours of a day that begin in an hour.
func (w *world) timesNot(place string) []jwt.TimeRange {
	return []jwt.TimeRange{w.hours(place, time.Hour, 3*time.Hour)}
}

func (w *world) hours(place string, from, to time.Duration) jwt.TimeRange {
	now := w.now
	if place != "" {
		at, err := time.LoadLocation(place)
		if err != nil {
			panic(err) // places that every time zone database has
		}
		now = now.In(at)
	}
	return jwt.TimeRange{Start: now.Add(from).Format(time.TimeOnly), End: now.Add(to).Format(time.TimeOnly)}
}

// some draws up to n of the values, each once.
func some(r *rand.Rand, n int, values ...string) []string {
	var drawn []string
	for _, i := range r.Perm(len(values))[:r.IntN(n+1)] {
		drawn = append(drawn, values[i])
	}
	return drawn
}

func names[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// coverage notes which fields of claims have had more than one value.
type coverage struct {
	mu     sync.Mutex
	values map[string]string
	varied map[string]bool
}

func newCoverage() *coverage {
	return &coverage{values: map[string]string{}, varied: map[string]bool{}}
}

func (c *coverage) note(claims any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.walk(reflect.ValueOf(claims).Elem().Type().Name(), reflect.ValueOf(claims))
}

func (c *coverage) walk(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		c.value(path, fmt.Sprint(v.IsNil()))
		if !v.IsNil() {
			c.walk(path, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			c.walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		c.value(path, fmt.Sprint(v.Interface()))
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				c.walk(path+"[]", v.Index(i))
			}
		}
	default:
		c.value(path, fmt.Sprint(v.Interface()))
	}
}

func (c *coverage) value(path, value string) {
	first, seen := c.values[path]
	if !seen {
		c.values[path] = value
	}
	c.varied[path] = c.varied[path] || seen && value != first
}

// check fails for each field that always had the same value, or none. The
// fields are those of the type, so that one which a new version of the library
// adds is missed here; except those below a prefix in idle, which says why.
func (c *coverage) check(t *testing.T, of reflect.Type, idle map[string]string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, path := range leaves(of.Name(), of) {
		excused := slices.ContainsFunc(names(idle), func(prefix string) bool { return strings.HasPrefix(path, prefix) })
		if !excused && !c.varied[path] {
			t.Errorf("no two logins differ in %s: the generator does not know the field", path)
		}
	}
}

// leaves are the paths of all fields that hold a value.
func leaves(path string, of reflect.Type) []string {
	switch of.Kind() {
	case reflect.Pointer:
		return append(leaves(path, of.Elem()), path)
	case reflect.Struct:
		var all []string
		for f := range of.Fields() {
			all = append(all, leaves(path+"."+f.Name, f.Type)...)
		}
		return all
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Struct {
			return append(leaves(path+"[]", of.Elem()), path)
		}
	}
	return []string{path}
}
