package claims

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Permission is a list of subjects allowed and one of subjects denied; deny
// wins. An empty Allow allows everything.
type Permission struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// ResponsePermission lets a client publish to the reply subject of a message it
// received.
type ResponsePermission struct {
	MaxMessages int           `json:"max_messages"` // per request; at least 1, or -1 for unlimited
	Expires     time.Duration `json:"expires"`      // after the request; 0 is never
}

func (p Permission) validate(pointer string, queues bool) error {
	seen := map[string]string{}
	return errors.Join(
		validatePatterns(pointer+"/allow", p.Allow, queues, seen),
		validatePatterns(pointer+"/deny", p.Deny, queues, seen),
	)
}

func validatePatterns(pointer string, patterns []string, queues bool, seen map[string]string) error {
	if len(patterns) > MaxSubjects {
		return fault.Field(pointer, "%d subjects at most", MaxSubjects)
	}
	var errs []error
	for i, s := range patterns {
		at := fmt.Sprintf("%s/%d", pointer, i)
		if err := validatePattern(s, queues); err != nil {
			errs = append(errs, fault.At(at, err))
			continue
		}
		if first, ok := seen[s]; ok {
			errs = append(errs, fault.Field(at, "this subject stands at %s already", first))
			continue
		}
		seen[s] = at
	}
	return errors.Join(errs...)
}

func (r *ResponsePermission) validate(pointer string) error {
	if r == nil {
		return nil
	}
	var errs []error
	if r.MaxMessages < -1 || r.MaxMessages == 0 {
		errs = append(errs, fault.Field(pointer+"/max_messages", "at least 1 message, or -1 for unlimited; to allow no responses, leave the whole field out"))
	}
	if r.Expires < 0 {
		errs = append(errs, fault.Field(pointer+"/expires_in", "a duration must not be negative"))
	}
	return errors.Join(errs...)
}

// contradictions are subjects that are allowed and never can be used, since
// something denied takes all of them: a mistake, or what is to be said as a
// denial alone. A denial with a queue name makes a server pass over those
// without one for queues, so then nothing is sure.
func (p Permission) contradictions(pointer string) error {
	if slices.ContainsFunc(p.Deny, func(s string) bool { return strings.Contains(s, " ") || validatePattern(s, false) != nil }) {
		return nil
	}
	var errs []error
	for i, allowed := range p.Allow {
		subject, _, _ := strings.Cut(allowed, " ")
		for j, denied := range p.Deny {
			if denied != allowed && covers(denied, subject) { // the same twice is reported as that
				errs = append(errs, fault.Field(fmt.Sprintf("%s/allow/%d", pointer, i),
					"%s is denied altogether by %s at %s/deny/%d, so allowing it does nothing; to allow nothing at all, deny > and allow nothing", allowed, denied, pointer, j))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// covers says whether every subject that one pattern stands for is another's
// too, whatever the variables in them are replaced by.
func covers(wide, narrow string) bool {
	outer, inner := strings.Split(wide, "."), strings.Split(narrow, ".")
	for i, token := range outer {
		switch {
		case token == ">":
			return i < len(inner)
		case i >= len(inner) || inner[i] == ">":
			return false
		case token == "*" && !severalTokens(inner[i]), token == inner[i]:
		default:
			return false
		}
	}
	return len(outer) == len(inner)
}

// severalTokens says whether a token may become more of them: a tag's value and
// an account's name may have dots.
func severalTokens(token string) bool {
	return strings.Contains(token, "tag(") || strings.Contains(token, "account-name(")
}

// limits spells "never" as a negative duration: a server replaces 0 by 2 minutes.
func (r ResponsePermission) limits() *jwt.ResponsePermission {
	if r.Expires == 0 {
		r.Expires = -1
	}
	return &jwt.ResponsePermission{MaxMsgs: r.MaxMessages, Expires: r.Expires}
}
