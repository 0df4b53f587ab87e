package claims_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func TestNamesFollowTheirRules(t *testing.T) {
	t.Parallel()
	rules := map[string]func(string) error{
		"name": claims.ValidateName, "user name": claims.ValidateUserName,
		"tag": claims.ValidateTag, "description": claims.ValidateDescription,
	}
	tests := []struct {
		input string
		good  string // the rules that let it pass
	}{
		{"sensor-1_a", "name, user name, tag, description"},
		{"Prüfstand9", "name, user name, description"},
		{"", "description"},
		{"two words", "name, description"},
		{" before", "description"},
		{"after ", "description"},
		{"a.b", "name, tag, description"},
		{"a*", "name, description"},
		{">", "name, description"},
		{"{{name()}}", "name, description"},
		{"team:blue", "name, tag, description"},
		{"signalbox-revocations:x", "name, description"},
		{"two\nlines", "description"},
		{"tab\tbed", ""},
		{"nul\x00", ""},
		{"bell\a", ""},
		{"turn\u202earound", ""},
		{"no\u00a0break", ""},
		{"zero\u200bwidth", ""},
		{"bad\xff", ""},
		{strings.Repeat("ä", 64), "name, user name, tag, description"},
		{strings.Repeat("a", 65), "tag, description"},
		{strings.Repeat("a", 129), "description"},
		{strings.Repeat("a", 513), ""},
	}
	for _, tt := range tests {
		for rule, validate := range rules {
			want := false
			for _, r := range strings.Split(tt.good, ", ") {
				want = want || r == rule
			}
			err := validate(tt.input)
			if (err == nil) != want {
				t.Errorf("%.20q as a %s: error = %v, want good = %t", tt.input, rule, err, want)
			}
			if err != nil && !errors.Is(err, fault.Invalid) {
				t.Errorf("%.20q as a %s: error = %v, want fault.Invalid", tt.input, rule, err)
			}
		}
	}
}

func TestTooLongANameIsToldTheLimit(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", strings.Repeat("a", 65)} {
		if err := claims.ValidateUserName(s); err == nil || !strings.Contains(err.Error(), "64") {
			t.Errorf("error = %v, want one that names the limit of 64", err)
		}
	}
}
