package admission

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// variable is one {{…}} in a role's subjects.
var variable = regexp.MustCompile(`{{2}([^}]+)}{2}`)

// maxExpansions bounds the subjects that one list may become, as nats-server does.
const maxExpansions = 4096

var errExpansions = fmt.Errorf("the role's template expands to more than %d subjects", maxExpansions)

// fill returns a role's template with its variables replaced by what they are
// for the user. It is nats-server's processUserPermissionsTemplate, peculiarities
// included: both must come to the same.
func (w *law) fill(role jwt.UserPermissionLimits, user *jwt.UserClaims) (jwt.UserPermissionLimits, error) {
	for _, p := range []*jwt.Permission{&role.Sub, &role.Pub} {
		allowed := len(p.Allow) > 0
		var err error
		if p.Allow, err = w.expand(p.Allow, user, false); err != nil {
			return role, err
		}
		if p.Deny, err = w.expand(p.Deny, user, true); err != nil {
			return role, err
		}
		if allowed && len(p.Allow) == 0 { // an empty list would allow everything
			p.Deny.Add(">")
		}
	}
	return role, nil
}

// expand leaves a subject that a user has no value for out of what is allowed. Of
// what is denied nothing may be left out: that is an error.
func (w *law) expand(list jwt.StringList, user *jwt.UserClaims, deny bool) (jwt.StringList, error) {
	if !slices.ContainsFunc(list, variable.MatchString) {
		return slices.Clone(list), nil
	}
	var all jwt.StringList
	for _, subject := range list {
		variables := variable.FindAllString(subject, -1)
		values := make([][]string, len(variables))
		combinations := 1
		for i, v := range variables {
			var err error
			if values[i], err = w.values(v, user, deny); err != nil {
				return nil, fmt.Errorf("the role's subject %q: %w", subject, err)
			}
			if combinations > maxExpansions/len(values[i]) {
				return nil, errExpansions
			}
			combinations *= len(values[i])
		}
		// Only tags have several values, and only where there are some is there a bound.
		if len(all) > maxExpansions-combinations && strings.Contains(strings.ToLower(subject), "tag(") {
			return nil, errExpansions
		}
		for n := range combinations {
			filled := replace(subject, variables, values, n)
			if server.IsValidSubject(filled) {
				all = append(all, filled)
			} else if deny {
				return nil, fmt.Errorf("the role's subject %q becomes %q, which is none", subject, filled)
			}
		}
	}
	return all, nil
}

// replace fills in the n-th combination of values, of which the last changes first.
func replace(subject string, variables []string, values [][]string, n int) string {
	chosen := make([]string, len(values))
	for i := len(values) - 1; i >= 0; i-- {
		chosen[i] = values[i][n%len(values[i])]
		n /= len(values[i])
	}
	for i, v := range variables {
		subject = strings.ReplaceAll(subject, v, chosen[i])
	}
	return subject
}

// values is what a variable stands for, one value at least.
func (w *law) values(variable string, user *jwt.UserClaims, deny bool) ([]string, error) {
	name := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(variable, "{{"), "}}"))
	switch {
	case strings.EqualFold(name, "name()"):
		return []string{user.Name}, nil
	case strings.EqualFold(name, "subject()"):
		return []string{user.Subject}, nil
	case strings.EqualFold(name, "account-name()"):
		return []string{w.name}, nil
	case strings.EqualFold(name, "account-subject()"):
		return []string{user.IssuerAccount}, nil
	}
	tags := user.Tags
	tag, ok := argument(name, "tag(")
	if !ok {
		tags = w.tags
		tag, ok = argument(name, "account-tag(")
	}
	if !ok {
		return nil, fmt.Errorf("%q is not defined", name)
	}
	values := tagged(tags, tag)
	switch {
	case len(values) > 0:
		return values, nil
	case deny:
		return nil, errors.New("there is no such tag")
	}
	return []string{" "}, nil // no valid subject has one
}

// argument is what stands in brackets after a function's name. That is found in
// any case, but taken off in lower case only.
func argument(call, function string) (string, bool) {
	if len(call) < len(function) || !strings.EqualFold(call[:len(function)], function) || !strings.HasSuffix(call, ")") {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimPrefix(call, function), ")"), true
}

func tagged(tags jwt.TagList, tag string) []string {
	var values []string
	for _, t := range tags {
		if value, ok := strings.CutPrefix(t, strings.ToLower(tag)+":"); ok {
			values = append(values, value)
		}
	}
	return values
}
