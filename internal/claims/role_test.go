package claims_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func pointers(err error) []string {
	var all []string
	for _, e := range fault.All(err) {
		all = append(all, e.Pointer)
	}
	return all
}

func TestEveryBadFieldOfATemplateIsNamed(t *testing.T) {
	t.Parallel()
	template := claims.Template{
		Publish: claims.Permission{
			Allow: []string{"fine", "foo..bar", "with queue", "fine"},
			Deny:  []string{"ok", "fine", ">.x"},
		},
		Subscribe: claims.Permission{
			Allow: []string{"a q", "a b c", "a ", " q", "a q.>", "x.{{name()}} q"},
		},
		Responses:       &claims.ResponsePermission{MaxMessages: -2, Expires: -1},
		ConnectionTypes: []claims.ConnectionType{claims.MQTT, "mqtt", claims.MQTT},
		SourceNetworks:  []string{"10.0.0.0/8", "10.0.0.1", "10.0.0.0/8", "2001:db8::/32", ""},
		Subscriptions:   -2,
		PayloadBytes:    0,
	}
	want := []string{
		"/permissions/publish/allow/1", "/permissions/publish/allow/2", "/permissions/publish/allow/3",
		"/permissions/publish/deny/1", "/permissions/publish/deny/2",
		"/permissions/subscribe/allow/1", "/permissions/subscribe/allow/2", "/permissions/subscribe/allow/3", "/permissions/subscribe/allow/5",
		"/permissions/responses/max_messages", "/permissions/responses/expires_in",
		"/connection_types/1", "/connection_types/2",
		"/source_networks/1", "/source_networks/2", "/source_networks/4",
		"/limits/subscriptions", "/limits/payload_bytes",
	}
	if diff := cmp.Diff(want, pointers(template.Validate())); diff != "" {
		t.Errorf("pointers (-want +got):\n%s", diff)
	}
}

func TestTooManySubjectsOrNetworksAreRefused(t *testing.T) {
	t.Parallel()
	template := claims.OpenTemplate()
	template.Publish.Allow = slices.Repeat([]string{"a"}, claims.MaxSubjects+1)
	template.SourceNetworks = slices.Repeat([]string{"10.0.0.0/8"}, claims.MaxNetworks+1)
	want := []string{"/permissions/publish/allow", "/source_networks"}
	if diff := cmp.Diff(want, pointers(template.Validate())); diff != "" {
		t.Errorf("pointers (-want +got):\n%s", diff)
	}
}

func TestOpenTemplateIsValid(t *testing.T) {
	t.Parallel()
	if err := claims.OpenTemplate().Validate(); err != nil {
		t.Errorf("Validate: %v", err)
	}
}

func TestVariablesInSubjectsAreSpelledExactly(t *testing.T) {
	t.Parallel()
	good := []string{
		"{{name()}}", "user.{{name()}}.>", "a.{{subject()}}", "{{account-name()}}.{{account-subject()}}",
		"team.{{tag(team)}}.x", "{{account-tag(a-b_1)}}", "pre{{name()}}post",
	}
	bad := []string{
		"{{", "}}", "a.{{}}", "a.{{name}}", "a.{{Name()}}", "a.{{ name() }}", "a.{{name()}", "a.{name()}}", "{{{name()}}}",
		"a.{{tag()}}", "a.{{tag(a b)}}", "a.{{tag(TEAM)}}", "a.{{nope()}}", "a..{{name()}}", "{{name()}}.", "a.{{name()}}*",
	}
	for _, s := range append(good, bad...) {
		template := claims.OpenTemplate()
		template.Subscribe.Allow = []string{s}
		template.Publish.Deny = []string{s}
		err := template.Validate()
		if want := slices.Contains(good, s); (err == nil) != want {
			t.Errorf("%q: error = %v, want good = %t", s, err, want)
		}
	}
}

func TestWhatIsAllowedInVainIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		subscribe claims.Permission
		want      []string
	}{
		"the same by a wildcard": {claims.Permission{Allow: []string{"a.b", "a.c"}, Deny: []string{"a.*"}}, []string{"/permissions/subscribe/allow/0", "/permissions/subscribe/allow/1"}},
		"everything denied":      {claims.Permission{Allow: []string{"a.>"}, Deny: []string{">"}}, []string{"/permissions/subscribe/allow/0"}},
		"a variable":             {claims.Permission{Allow: []string{"a.{{name()}}"}, Deny: []string{"a.>"}}, []string{"/permissions/subscribe/allow/0"}},
		"a queue, all denied":    {claims.Permission{Allow: []string{"a q"}, Deny: []string{"*"}}, []string{"/permissions/subscribe/allow/0"}},
		"a queue, queues denied": {claims.Permission{Allow: []string{"a q.1"}, Deny: []string{"a q.*"}}, []string{"/permissions/subscribe/allow/0"}},

		"part of it denied":        {claims.Permission{Allow: []string{"a.>", "b.*"}, Deny: []string{"a.b.>", "b.c"}}, nil},
		"other subjects denied":    {claims.Permission{Allow: []string{"a.b"}, Deny: []string{"b.>", "a", "a.b.>"}}, nil},
		"one queue denied":         {claims.Permission{Allow: []string{"a"}, Deny: []string{"a q"}}, nil},
		"another queue denied":     {claims.Permission{Allow: []string{"a p"}, Deny: []string{"a q"}}, nil},
		"a variable may have dots": {claims.Permission{Allow: []string{"{{account-name()}}"}, Deny: []string{"*"}}, nil},
		"another's variable":       {claims.Permission{Allow: []string{"a.x"}, Deny: []string{"a.{{name()}}"}}, nil},
		"nothing but denied":       {claims.Permission{Deny: []string{">"}}, nil},
	} {
		template := claims.OpenTemplate()
		template.Subscribe = c.subscribe
		if diff := cmp.Diff(c.want, pointers(template.Validate())); diff != "" {
			t.Errorf("%s: pointers (-want +got):\n%s", name, diff)
		}
	}
}

func TestHoursAreHeldAgainstTheirRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone  string
		times []claims.TimeRange
		want  []string
	}{
		"a working day":              {"Europe/Berlin", []claims.TimeRange{{Start: "08:00:00", End: "18:00:00"}}, nil},
		"over midnight":              {"UTC", []claims.TimeRange{{Start: "22:00:00", End: "06:00:00"}, {Start: "12:00:00", End: "13:00:00"}}, nil},
		"a zone alone":               {"America/Argentina/Ushuaia", nil, nil},
		"no zone":                    {"", []claims.TimeRange{{Start: "08:00:00", End: "18:00:00"}}, []string{"/time_zone"}},
		"an unknown zone":            {"Mars/Olympus", []claims.TimeRange{{Start: "08:00:00", End: "18:00:00"}}, []string{"/time_zone"}},
		"the broker's own zone":      {"Local", nil, []string{"/time_zone"}},
		"a path":                     {"../../etc/passwd", nil, []string{"/time_zone"}},
		"an empty range":             {"UTC", []claims.TimeRange{{Start: "08:00:00", End: "08:00:00"}}, []string{"/times/0/end"}},
		"no seconds":                 {"UTC", []claims.TimeRange{{Start: "08:00", End: "18:00:00"}}, []string{"/times/0/start"}},
		"one digit, 24 o'clock":      {"UTC", []claims.TimeRange{{Start: "8:00:00", End: "24:00:00"}}, []string{"/times/0/start", "/times/0/end"}},
		"nothing":                    {"UTC", []claims.TimeRange{{}}, []string{"/times/0/start", "/times/0/end"}},
		"parts of seconds, a suffix": {"UTC", []claims.TimeRange{{Start: "08:00:00.5", End: "06:00:00pm"}}, []string{"/times/0/start", "/times/0/end"}},
		"too many":                   {"UTC", slices.Repeat([]claims.TimeRange{{Start: "08:00:00", End: "18:00:00"}}, claims.MaxTimes+1), []string{"/times"}},
	} {
		template := claims.OpenTemplate()
		template.Times, template.TimeZone = c.times, c.zone
		if diff := cmp.Diff(c.want, pointers(template.Validate())); diff != "" {
			t.Errorf("%s: pointers (-want +got):\n%s", name, diff)
		}
	}
}

// A role that contradicts itself, stored before that was refused, must not keep
// its account from being signed: nobody could be revoked any more.
func TestContradictionDoesNotKeepAnAccountFromBeingSigned(t *testing.T) {
	t.Parallel()
	account := fullAccount(t)
	account.Roles[0].Template.Publish = claims.Permission{Allow: []string{"a.b"}, Deny: []string{"a.>"}}
	if account.Roles[0].Template.Validate() == nil {
		t.Fatal("it is valid")
	}
	if _, err := claims.EncodeAccount(account, must(claims.NewOperatorSeed())); err != nil {
		t.Errorf("EncodeAccount: %v", err)
	}
}
