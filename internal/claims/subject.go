package claims

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// ValidateSubject is the rule for subjects, wildcards included: tokens parted
// by single dots, 1024 bytes at most, no spaces and no control characters; * is
// a whole token, > is the whole last one. It is stricter than nats-server in
// what is legal there but never meant: * or > within a token, which would be
// matched literally (fo*o is not a wildcard), and invisible characters.
func ValidateSubject(s string) error {
	if s == "" {
		return fault.New(fault.Invalid, "a subject must not be empty")
	}
	if len(s) > MaxSubjectBytes {
		return fault.New(fault.Invalid, "a subject has %d bytes at most; this one has %d", MaxSubjectBytes, len(s))
	}
	if err := validateSubjectCharacters(s); err != nil {
		return err
	}
	tokens := strings.Split(s, ".")
	for i, token := range tokens {
		if err := validateToken(token, i == len(tokens)-1); err != nil {
			return err
		}
	}
	return nil
}

func validateSubjectCharacters(s string) error {
	if !utf8.ValidString(s) {
		return fault.New(fault.Invalid, "a subject must be valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsSpace(r) {
			return fault.New(fault.Invalid, "a subject must not contain spaces")
		}
		if !unicode.IsPrint(r) {
			return fault.New(fault.Invalid, "a subject must not contain the character %U", r)
		}
	}
	return nil
}

func validateToken(token string, last bool) error {
	switch {
	case token == "":
		return fault.New(fault.Invalid, "a subject must not start or end with a dot, nor have two in a row")
	case token == "*":
		return nil
	case token == ">" && last:
		return nil
	case token == ">":
		return fault.New(fault.Invalid, "> must be the last token of a subject")
	case strings.ContainsAny(token, "*>"):
		return fault.New(fault.Invalid, "* and > are wildcards only as whole tokens; within one they would be taken literally")
	}
	return nil
}

// braces is where a server looks for a variable; the same expression as its own.
var braces = regexp.MustCompile(`\{\{[^}]+\}\}`)

// variable is what a server replaces in a role's subjects when a user connects.
// Spelled exactly so: the server is laxer about case and spaces in some of
// them, drops the subject in others, and turns the user away in yet others.
var variable = regexp.MustCompile(`^\{\{(name\(\)|subject\(\)|account-name\(\)|account-subject\(\)|(account-)?tag\([a-z0-9_:-]+\))\}\}$`)

// fillIn puts a token where a server puts a variable's value.
func fillIn(s string) string {
	return braces.ReplaceAllStringFunc(s, func(found string) string {
		if variable.MatchString(found) {
			return "x"
		}
		return found
	})
}

// validatePattern is the rule for one entry of a role's permissions: a subject
// in which variables may stand for a token or a part of one. Where queues is
// set, a queue name may follow after one space.
func validatePattern(s string, queues bool) error {
	if len(s) > 2*MaxSubjectBytes {
		return fault.New(fault.Invalid, "a subject has %d bytes at most", MaxSubjectBytes)
	}
	plain := fillIn(s)
	if strings.Contains(plain, "{{") || strings.Contains(plain, "}}") {
		return fault.New(fault.Invalid, "{{…}} must be one of {{name()}}, {{subject()}}, {{account-name()}}, {{account-subject()}}, {{tag(key)}}, {{account-tag(key)}}")
	}
	subject, queue, found := strings.Cut(plain, " ")
	if !found || !queues {
		return ValidateSubject(plain)
	}
	if plain != s {
		// A server takes what it filled in for one subject, spaces and all,
		// and drops it as invalid.
		return fault.New(fault.Invalid, "a subject with {{…}} cannot be followed by a queue name")
	}
	if err := ValidateSubject(subject); err != nil {
		return err
	}
	if err := ValidateSubject(queue); err != nil {
		return fault.New(fault.Invalid, "the queue name after the space breaks the rules for subjects: %s", fault.All(err)[0].Message)
	}
	return nil
}

// hasWildcards is for valid subjects.
func hasWildcards(s string) bool {
	return slices.ContainsFunc(strings.Split(s, "."), func(token string) bool { return token == "*" || token == ">" })
}

// covers says whether whatever the narrow entry of a list of permissions
// matches, the wide one matches too. Both are valid. Where a variable stands it
// may say no though it is so: what will be there is not known yet.
func covers(wide, narrow string) bool {
	wideSubject, wideQueue, wideQueued := strings.Cut(wide, " ")
	narrowSubject, narrowQueue, narrowQueued := strings.Cut(narrow, " ")
	if wideQueued && (!narrowQueued || !coversSubject(wideQueue, narrowQueue)) {
		return false
	}
	return coversSubject(wideSubject, narrowSubject)
}

func coversSubject(wide, narrow string) bool {
	w, n := strings.Split(wide, "."), strings.Split(narrow, ".")
	for i, token := range w {
		switch {
		case token == ">":
			return len(n) > i
		case i >= len(n) || n[i] == ">":
			return false
		case token == n[i]:
		case token != "*" || strings.Contains(n[i], "{{"): // a value may have dots
			return false
		}
	}
	return len(w) == len(n)
}

// overlap says whether there is a subject that two, given as their tokens, both match.
func overlap(a, b []string) bool {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == ">" || b[i] == ">":
			return true
		case a[i] != b[i] && a[i] != "*" && b[i] != "*":
			return false
		}
	}
	return len(a) == len(b)
}
