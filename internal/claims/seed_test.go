package claims_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// leaks are spellings in which a seed could turn up in some output.
func leaks(seed claims.Seed) []string {
	text := seed.Reveal()
	_, raw, err := nkeys.DecodeSeed(text)
	if err != nil {
		panic(err)
	}
	return []string{
		string(text),
		hex.EncodeToString(text), strings.ToUpper(hex.EncodeToString(text)),
		hex.EncodeToString(raw),
		base64.StdEncoding.EncodeToString(text), base64.StdEncoding.EncodeToString(raw),
		strings.Trim(fmt.Sprint(text), "[]"), strings.Trim(fmt.Sprint(raw[:8]), "[]"),
		strings.Trim(fmt.Sprintf("%#v", text[:8]), "[]byte{}"),
	}
}

func TestSeedIsNeverPrinted(t *testing.T) {
	t.Parallel()
	seed := must(claims.NewUserSeed())
	type public struct{ Seed claims.Seed }
	type hidden struct {
		seed  claims.Seed
		seeds []claims.Seed
		byKey map[string]*claims.Seed
	}
	values := []any{
		seed, &seed, []claims.Seed{seed}, map[string]claims.Seed{"k": seed}, public{seed}, &public{seed},
		hidden{seed, []claims.Seed{seed}, map[string]*claims.Seed{"k": &seed}},
	}
	var out strings.Builder
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).With("with", v).Info("message", "value", v, slog.Group("group", "value", v))
		}
		b, _ := json.Marshal(v)
		out.Write(b)
		b, _ = xml.Marshal(v)
		out.Write(b)
		_ = gob.NewEncoder(&out).Encode(v)
		fmt.Fprintln(&out, fmt.Errorf("wrapped: %v", v))
	}
	for _, leak := range leaks(seed) {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the seed was printed, as %.8s…", leak)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, seed); got != "[seed]" {
			t.Errorf("%s prints %q, want [seed]", verb, got)
		}
	}
}

func TestSeedRefusesToBeMarshalled(t *testing.T) {
	t.Parallel()
	seed := must(claims.NewUserSeed())
	if b, err := json.Marshal(struct{ S claims.Seed }{seed}); err == nil {
		t.Errorf("JSON = %s, want an error", b)
	}
	if b, err := xml.Marshal(seed); err == nil {
		t.Errorf("XML = %s, want an error", b)
	}
	if err := gob.NewEncoder(&bytes.Buffer{}).Encode(seed); err == nil {
		t.Error("gob encodes a seed, want an error")
	}
}

func TestSeedTellsItsPublicHalfOnlyByItsOwnType(t *testing.T) {
	t.Parallel()
	seed := must(claims.NewAccountSeed())
	if key := must(seed.AccountKey()); !nkeys.IsValidPublicAccountKey(string(key)) {
		t.Errorf("AccountKey = %q, which is none", key)
	}
	_, err := seed.UserKey()
	if !errors.Is(err, fault.Invalid) || err.Error() != "this is an account's seed; a user's is needed" {
		t.Errorf("UserKey of an account's seed: error = %v", err)
	}
	if _, err := seed.OperatorKey(); err == nil {
		t.Error("OperatorKey of an account's seed: no error")
	}
}

func TestWhatIsNoSeedOfOursIsRefusedUnrepeated(t *testing.T) {
	t.Parallel()
	server := string(must(must(nkeys.CreateServer()).Seed()))
	good := string(must(claims.NewUserSeed()).Reveal())
	for _, s := range []string{"", "S", server, good[:57], good + "A", strings.ToLower(good), must(must(nkeys.CreateUser()).PublicKey())} {
		_, err := claims.ParseSeed([]byte(s))
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("a bad seed of %d bytes: error = %v, want fault.Invalid", len(s), err)
			continue
		}
		if len(s) > 8 && strings.Contains(err.Error(), s[3:]) {
			t.Error("the error repeats the seed")
		}
	}
	if _, err := claims.ParseSeed([]byte("\t" + good + "\n")); err != nil {
		t.Errorf("a seed with white space around it: %v", err)
	}
}

func TestWipedSeedSignsNothing(t *testing.T) {
	t.Parallel()
	seed := must(claims.NewAccountSeed())
	copied := seed
	account := must(must(claims.NewAccountSeed()).AccountKey())
	user := must(must(claims.NewUserSeed()).UserKey())
	seed.Wipe()
	for _, s := range []claims.Seed{seed, copied, {}} {
		s.Wipe()
		if got := s.Reveal(); len(got) != 0 {
			t.Errorf("Reveal of a wiped seed gives %d bytes", len(got))
		}
		if _, err := s.AccountKey(); err == nil {
			t.Error("AccountKey of a wiped seed: no error")
		}
		if _, err := claims.EncodeUser(claims.User{Key: user, Name: "u", Account: account}, s); err == nil {
			t.Error("EncodeUser with a wiped seed: no error")
		}
	}
}
