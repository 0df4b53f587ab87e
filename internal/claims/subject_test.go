package claims_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

var goodSubjects = []string{
	"a", "foo.bar", "foo.*", "foo.>", "*", ">", "*.*.>", "$SYS.REQ.>", "_INBOX.x.y", "größe.ü", "a-b_c.d/e",
	"a.{b}", strings.Repeat("a", 1024),
}

var badSubjects = []string{
	"", ".", "..", ".a", "a.", "foo..bar", ">.x", "a.>.b", ">>", "fo*o", "foo.b*", "a.>b", "**", "a b", " a", "a ",
	"a\tb", "a\nb", "a\r", "a\x00b", "a\x1f", "a\x7f", "a\u00a0b", "a\u2028b", "a\u200bb", "a\xff", strings.Repeat("a", 1025),
}

func TestSubjectsFollowTheRules(t *testing.T) {
	t.Parallel()
	for _, s := range goodSubjects {
		if err := claims.ValidateSubject(s); err != nil {
			t.Errorf("ValidateSubject(%.20q) = %v, want nil", s, err)
		}
	}
	for _, s := range badSubjects {
		if err := claims.ValidateSubject(s); !errors.Is(err, fault.Invalid) {
			t.Errorf("ValidateSubject(%.20q) = %v, want fault.Invalid", s, err)
		}
	}
}

// FuzzSubjectsAgreeWithTheServer: what we let pass, the server does; what only
// we refuse is too long, invisible, or a wildcard within a token.
func FuzzSubjectsAgreeWithTheServer(f *testing.F) {
	for _, s := range append(goodSubjects, badSubjects...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, theirs := claims.ValidateSubject(s) == nil, server.IsValidSubject(s)
		if ours && !theirs {
			t.Errorf("%q passes here, but the server refuses it", s)
		}
		if theirs && !ours && !stricterHere(s) {
			t.Errorf("%q is refused here, but the server takes it", s)
		}
	})
}

func stricterHere(s string) bool {
	if len(s) > claims.MaxSubjectBytes || !utf8.ValidString(s) {
		return true
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
		return true
	}
	for token := range strings.SplitSeq(s, ".") {
		if len(token) > 1 && strings.ContainsAny(token, "*>") {
			return true
		}
	}
	return false
}
