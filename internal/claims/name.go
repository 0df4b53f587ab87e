package claims

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Limits on what people may write, in characters or bytes as said.
const (
	MaxNameLength        = 64   // characters of a name
	MaxDescriptionLength = 512  // characters of a description
	MaxTagLength         = 128  // characters of a tag
	MaxTags              = 50   // tags of an account or a user
	MaxSubjectBytes      = 1024 // bytes of a subject or a queue name
	MaxSubjects          = 200  // entries of one list of subjects
	MaxNetworks          = 50   // entries of a list of networks
)

// ValidateName is the rule for names of operators, accounts and roles: 1 to 64
// printable characters, with no space at either end.
func ValidateName(s string) error {
	if s == "" {
		return fault.New(fault.Invalid, "a name is needed, 1 to %d characters long", MaxNameLength)
	}
	if err := validateText(s, MaxNameLength); err != nil {
		return err
	}
	if strings.TrimSpace(s) != s {
		return fault.New(fault.Invalid, "a name must not start or end with a space")
	}
	return nil
}

// ValidateUserName is the rule for names of users: 1 to 64 letters, digits, -
// and _. A user's name may stand in for a token of a subject, as {{name()}} in
// a role, so it is one token and brings neither dots nor wildcards.
func ValidateUserName(s string) error {
	if err := ValidateName(s); err != nil {
		return err
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
			return fault.New(fault.Invalid, "a user's name has only letters, digits, - and _, because it may become part of a subject; it must not contain %q", r)
		}
	}
	return nil
}

// ValidateDescription is the rule for descriptions: up to 512 printable
// characters, and line breaks.
func ValidateDescription(s string) error {
	return validateText(strings.ReplaceAll(s, "\n", " "), MaxDescriptionLength)
}

// ValidateTag is the rule for tags: one lower-case token of up to 128
// characters. A part of it may become part of a subject, as {{tag(team)}} is
// replaced by the rest of team:blue, so it must not bring a wildcard there.
func ValidateTag(s string) error {
	if s == "" {
		return fault.New(fault.Invalid, "a tag must not be empty")
	}
	if err := validateText(s, MaxTagLength); err != nil {
		return err
	}
	if i := strings.IndexAny(s, " *>{}"); i >= 0 {
		return fault.New(fault.Invalid, "a tag must not contain %q, because it may become part of a subject", s[i:i+1])
	}
	if strings.ToLower(s) != s {
		return fault.New(fault.Invalid, "a tag is written in lower case")
	}
	if strings.HasPrefix(s, ReservedTags) {
		return fault.New(fault.Invalid, "tags that begin with %s are Signalbox's own", ReservedTags)
	}
	return nil
}

// validateText refuses what is too long or cannot be seen. The only space let
// through is the plain one.
func validateText(s string, limit int) error {
	if !utf8.ValidString(s) {
		return fault.New(fault.Invalid, "this is not valid UTF-8")
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return fault.New(fault.Invalid, "this is %d characters long; %d at most", n, limit)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fault.New(fault.Invalid, "the character %U cannot be printed and is not allowed here", r)
		}
	}
	return nil
}
