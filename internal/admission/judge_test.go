package admission

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
)

func TestKindIsReadFromWhatTheServerSaysOnly(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]kind{
		"192.0.2.1:4711 - cid:7":                          jwt.ConnectionTypeStandard,
		"[2001:db8::1]:4711 - wid:7":                      jwt.ConnectionTypeWebsocket,
		"203.0.113.9/192.0.2.1:4711 - mid_ws:7":           jwt.ConnectionTypeMqttWS,
		"192.0.2.1:4711 - mid:7":                          jwt.ConnectionTypeMqtt,
		"192.0.2.1:4711 - lid:7":                          jwt.ConnectionTypeLeafnode,
		"192.0.2.1:4711 - lid_ws:7":                       jwt.ConnectionTypeLeafnodeWS,
		"pipe - cid:7":                                    jwt.ConnectionTypeStandard,
		`192.0.2.1:4711 - cid:7 - "v1:x - mid:8" - "A/U"`: jwt.ConnectionTypeStandard,
		"192.0.2.1:4711 - rid:7":                          "",
		"SYSTEM":                                          "",
		"":                                                "",
		"192.0.2.1:4711 - cid:":                           "",
		"192.0.2.1:4711 - mid:7x":                         "",
		"192.0.2.1:4711 - gid:7 - \"a - cid:9\"":          "",
		"192.0.2.1:4711 - cid:7\n192.0.2.1:4711 - mid:7 - \"v1\" ": "",
	} {
		if got, ok := kindOf(name); got != want || ok != (want != "") {
			t.Errorf("kind of %q = %q, want %q", name, got, want)
		}
	}
}

func FuzzKindIsNotTheClientsToChoose(f *testing.F) {
	f.Add("192.0.2.1:4711 - cid:7", " - mid:8")
	f.Add("192.0.2.1:4711 - lid_ws:7", "x - cid:8 - ")
	f.Fuzz(func(t *testing.T, servers, clients string) {
		want, ok := kindOf(servers)
		if !ok {
			return
		}
		if got, _ := kindOf(servers + ` - "` + clients + `"`); got != want {
			t.Errorf("%q after %q made it %q", clients, servers, got)
		}
	})
}

func TestHoursOfADay(t *testing.T) {
	t.Parallel()
	at := func(clock string) time.Time {
		now, err := time.Parse(time.DateTime, "2026-11-21 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	office := []jwt.TimeRange{{Start: "09:00:00", End: "12:00:00"}, {Start: "11:00:00", End: "17:00:00"}}
	night := []jwt.TimeRange{{Start: "22:00:00", End: "06:00:00"}}
	for _, c := range []struct {
		name   string
		ranges []jwt.TimeRange
		zone   string
		now    string
		until  time.Time
		ok     bool
	}{
		{"no ranges", nil, "", "03:00:00", time.Time{}, true},
		{"in both", office, "UTC", "11:30:00", at("17:00:00"), true},
		{"in the first", office, "UTC", "10:00:00", at("12:00:00"), true},
		{"in none", office, "UTC", "18:00:00", time.Time{}, false},
		{"at the very start", office, "UTC", "09:00:00", time.Time{}, false},
		{"before midnight", night, "UTC", "23:00:00", at("06:00:00").AddDate(0, 0, 1), true},
		{"after midnight", night, "UTC", "05:00:00", at("06:00:00"), true},
		{"by day", night, "UTC", "12:00:00", time.Time{}, false},
		{"elsewhere", office, "America/New_York", "10:00:00", time.Time{}, false},
		{"elsewhere, later", office, "America/New_York", "15:00:00", at("17:00:00"), true},
		{"elsewhere, where it is tomorrow", office, "Pacific/Auckland", "21:00:00", at("23:00:00"), true},
		{"no such place", office, "Nowhere/Town", "10:00:00", time.Time{}, false},
		{"no such time", []jwt.TimeRange{{Start: "25:00:00", End: "26:00:00"}}, "UTC", "10:00:00", time.Time{}, false},
	} {
		until, ok := hours(c.ranges, c.zone, at(c.now))
		if ok != c.ok || !until.Equal(c.until) {
			t.Errorf("%s: until %s, %v, want %s, %v", c.name, until.UTC(), ok, c.until, c.ok)
		}
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		networks []string
		host     string
		want     bool
	}{
		{nil, "pipe", true},
		{[]string{"192.0.2.0/24"}, "192.0.2.7", true},
		{[]string{"192.0.2.0/24"}, "::ffff:192.0.2.7", true},
		{[]string{"192.0.2.0/24"}, "198.51.100.7", false},
		{[]string{"192.0.2.0/24", "2001:db8::/32"}, "2001:db8::7", true},
		{[]string{"192.0.2.0/24"}, "pipe", false},
		{[]string{"192.0.2.0/24"}, "", false},
		{[]string{"nonsense", "192.0.2.0/24"}, "192.0.2.7", false},
	} {
		if got := within(c.networks, c.host); got != c.want {
			t.Errorf("%s within %v = %v, want %v", c.host, c.networks, got, c.want)
		}
	}
}

func TestTemplateIsFilledIn(t *testing.T) {
	t.Parallel()
	w := &law{name: "acme", tags: jwt.TagList{"region:eu"}}
	user := jwt.NewUserClaims("UKEY")
	user.Name, user.IssuerAccount = "app", "AKEY"
	user.Tags = jwt.TagList{"team:red", "team:blue", "level:1"}
	for _, c := range []struct {
		template string
		want     jwt.StringList
	}{
		{"plain.>", jwt.StringList{"plain.>"}},
		{"{{name()}}.{{ SUBJECT() }}", jwt.StringList{"app.UKEY"}},
		{"{{account-name()}}.{{account-subject()}}.{{account-tag(region)}}", jwt.StringList{"acme.AKEY.eu"}},
		{"{{tag(team)}}.{{tag(level)}}.{{tag(team)}}", jwt.StringList{"red.1.red", "red.1.red", "blue.1.blue", "blue.1.blue"}},
		{"{{tag(none)}}.x", nil},
	} {
		got, err := w.expand(jwt.StringList{c.template}, user, false)
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.template, diff)
		}
	}
	if _, err := w.expand(jwt.StringList{"{{tag(none)}}.x"}, user, true); err == nil {
		t.Error("what is denied was left out, since the user has no such tag")
	}
	if _, err := w.expand(jwt.StringList{"{{magic()}}"}, user, false); err == nil {
		t.Error("an unknown variable was accepted")
	}
}

func FuzzTemplateAllowsNothingThatItDoesNotSay(f *testing.F) {
	f.Add("orders.{{name()}}.>", "app", "team:red", "{{tag(team)}}")
	f.Add("{{tag(a)}}{{tag(a)}}{{tag(a)}}", "{{tag(a)}}", "a:1", "x y")
	f.Add("{{TAG(a)}}", "é", "a:{{name()}}", "{{account-tag(b)}}")
	f.Fuzz(func(t *testing.T, allow, name, tag, deny string) {
		w := &law{name: name, tags: jwt.TagList{tag}}
		user := jwt.NewUserClaims("UKEY")
		user.Name, user.Tags = name, jwt.TagList{tag, "a:1", "a:2", "a:3"}
		role := jwt.UserPermissionLimits{}
		role.Pub.Allow, role.Pub.Deny = jwt.StringList{allow}, jwt.StringList{deny}
		before := role.Pub.Deny[0]
		filled, err := w.fill(role, user)
		if err != nil {
			return
		}
		if len(filled.Pub.Allow) == 0 && !filled.Pub.Deny.Contains(">") {
			t.Errorf("%q came to nothing, which allows everything", allow)
		}
		if len(filled.Pub.Deny) == 0 {
			t.Errorf("%q, which is denied, came to nothing", deny)
		}
		if len(filled.Pub.Allow) > maxExpansions {
			t.Errorf("%q came to %d subjects", allow, len(filled.Pub.Allow))
		}
		for _, subject := range filled.Pub.Allow {
			if strings.Contains(allow, "{{") && subject != allow && !server.IsValidSubject(subject) {
				t.Errorf("%q came to %q", allow, subject)
			}
		}
		if len(role.Pub.Deny) != 1 || role.Pub.Deny[0] != before {
			t.Error("the account's own template was changed")
		}
	})
}

func TestRevocationsSinceAreThoseThatReachFurther(t *testing.T) {
	t.Parallel()
	before := revocations{inline: jwt.RevocationList{"U1": 10, "U2": 10, "U4": 10}}
	after := revocations{inline: jwt.RevocationList{"U1": 10, "U2": 11, "U3": 5, "U4": 9}}
	var got []string
	after.since(before, slices.Values([]string{"U1"}), func(key string) { got = append(got, key) })
	if diff := cmp.Diff(map[string]bool{"U2": true, "U3": true}, set(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	everybody := revocations{inline: jwt.RevocationList{jwt.All: 3}}
	if !before.revoked("U1", 10) || before.revoked("U1", 11) || before.revoked("U9", 1) || !everybody.revoked("U9", 3) {
		t.Error("a revocation reaches what was issued in its second or before, and nothing else")
	}
}

// Who is logged in is looked for in pages that are new, and in no others.
func TestRevocationsSinceAreThoseOfNewPages(t *testing.T) {
	t.Parallel()
	page := func(at int64, keys ...string) claims.RevocationPage {
		revoked := map[claims.UserKey]time.Time{}
		for _, key := range keys {
			revoked[claims.UserKey(key)] = time.Unix(at, 0)
		}
		page, err := claims.EncodeRevocationPage(revoked)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	here, gone, away, moved := userKey(t), userKey(t), userKey(t), userKey(t)
	before := revocations{inline: jwt.RevocationList{moved: 10}, pages: claims.RevocationPages{page(7, away)}}
	after := revocations{pages: claims.RevocationPages{before.pages[0], page(10, gone, moved)}}
	since := func(now, was revocations) map[string]bool {
		var got []string
		now.since(was, slices.Values([]string{here, gone}), func(key string) { got = append(got, key) })
		return set(got)
	}
	if diff := cmp.Diff(map[string]bool{gone: true}, since(after, before)); diff != "" {
		t.Errorf("a new page (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{}, since(after, after)); diff != "" {
		t.Errorf("the same pages (-want +got):\n%s", diff)
	}
	if !after.revoked(gone, 10) || after.revoked(gone, 11) || !after.revoked(moved, 10) || !after.revoked(away, 7) || after.revoked(here, 1) {
		t.Error("a page's revocation reaches what was issued in its second or before, and nothing else")
	}
}

func userKey(t *testing.T) string {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func set(keys []string) map[string]bool {
	all := map[string]bool{}
	for _, key := range keys {
		all[key] = true
	}
	return all
}

func TestDeadlineIsTheEarlier(t *testing.T) {
	t.Parallel()
	soon, later := time.Unix(1, 0), time.Unix(2, 0)
	for _, c := range []struct{ a, b, want time.Time }{
		{time.Time{}, time.Time{}, time.Time{}}, {soon, time.Time{}, soon}, {time.Time{}, soon, soon}, {soon, later, soon}, {later, soon, soon},
	} {
		if got := earlier(c.a, c.b); !got.Equal(c.want) {
			t.Errorf("the earlier of %s and %s = %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestConsolesConnectionEndsAfterADayAtMost(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		tags  []string
		roles []claims.AccountKey
		want  time.Time
	}{
		"no session":         {nil, []claims.AccountKey{"AROLE"}, at.Add(time.Minute)},
		"soon":               {[]string{"signalbox-session:1795266000"}, []claims.AccountKey{"AROLE"}, time.Unix(1795266000, 0)},
		"before the JWT":     {[]string{"signalbox-session:1795262401"}, []claims.AccountKey{"AROLE"}, time.Unix(1795262401, 0)},
		"in two weeks":       {[]string{"signalbox-session:1796472000"}, []claims.AccountKey{"AROLE"}, at.Add(24 * time.Hour)},
		"another role's":     {[]string{"signalbox-session:1795266000"}, []claims.AccountKey{"AOTHER"}, at.Add(time.Minute)},
		"no roles for this":  {[]string{"signalbox-session:1795266000"}, nil, at.Add(time.Minute)},
		"a tag that is none": {[]string{"signalbox-session:soon"}, []claims.AccountKey{"AROLE"}, at.Add(time.Minute)},
	} {
		user := &jwt.UserClaims{ClaimsData: jwt.ClaimsData{Issuer: "AROLE", Expires: at.Add(time.Minute).Unix()}, User: jwt.User{GenericFields: jwt.GenericFields{Tags: c.tags}}}
		trial := trial{law: &law{counts: claims.Extension{ConsoleRoles: c.roles}}, facts: facts{signed: user, at: at}, verdict: verdict{user: user}}
		if got := trial.ends(); !got.Equal(c.want) {
			t.Errorf("%s: ends %s, want %s", name, got.UTC(), c.want.UTC())
		}
	}
}
