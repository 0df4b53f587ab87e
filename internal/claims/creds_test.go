package claims_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func TestCredsFileIsByteForByteThatOfNATSTools(t *testing.T) {
	t.Parallel()
	seed := fixedSeed(t, nkeys.PrefixByteUser, 1)
	token := must(claims.EncodeUser(fullUser(t), must(claims.NewAccountSeed())))
	want := must(jwt.FormatUserConfig(token, seed.Reveal()))
	if got := claims.FormatCreds(token, seed); !bytes.Equal(got, want) {
		t.Errorf("creds file:\n%s\nwant:\n%s", got, want)
	}
}

func TestCredsFileIsReadBack(t *testing.T) {
	t.Parallel()
	seed := fixedSeed(t, nkeys.PrefixByteUser, 1)
	token := must(claims.EncodeUser(fullUser(t), must(claims.NewAccountSeed())))
	file := string(claims.FormatCreds(token, seed))
	for name, s := range map[string]string{
		"as written":         file,
		"with DOS line ends": strings.ReplaceAll(file, "\n", "\r\n"),
		"without its tail":   strings.TrimSpace(strings.TrimRight(file, "*\n")),
		"with a preamble":    "# keep this safe\n\n" + file,
	} {
		gotToken, gotSeed, err := claims.ParseCreds([]byte(s))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if gotToken != token || !bytes.Equal(gotSeed.Reveal(), seed.Reveal()) {
			t.Errorf("%s: JWT or seed differ", name)
		}
	}
}

func TestWhatIsNoCredsFileIsRefusedUnrepeated(t *testing.T) {
	t.Parallel()
	token := must(claims.EncodeUser(fullUser(t), must(claims.NewAccountSeed())))
	account := fixedSeed(t, nkeys.PrefixByteAccount, 1)
	file := string(claims.FormatCreds(token, fixedSeed(t, nkeys.PrefixByteUser, 1)))
	for name, s := range map[string]string{
		"nothing":           "",
		"only a JWT":        token,
		"half a file":       file[:len(file)/2],
		"an account's seed": string(claims.FormatCreds(token, account)),
		"a damaged seed":    strings.Replace(file, "\nSU", "\nSX", 1),
		"too long":          strings.Repeat("-", 2<<20),
	} {
		_, _, err := claims.ParseCreds([]byte(s))
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want fault.Invalid", name, err)
			continue
		}
		if strings.Contains(err.Error(), "SU") || strings.Contains(err.Error(), "SX") || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: the error repeats the file", name)
		}
	}
}

func FuzzParseCredsUndoesFormatCreds(f *testing.F) {
	f.Add("eyJ0eXAi.eyJqdGki.sig_-", []byte("-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n"))
	f.Add("a", []byte("---a---\n---b---\n---c---"))
	seed := must(claims.NewUserSeed())
	f.Fuzz(func(t *testing.T, token string, file []byte) {
		_, _, _ = claims.ParseCreds(file)
		for _, r := range token {
			if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.", r) {
				return
			}
		}
		if token == "" {
			return
		}
		gotToken, gotSeed, err := claims.ParseCreds(claims.FormatCreds(token, seed))
		if err != nil {
			t.Fatal(err)
		}
		if gotToken != token || !bytes.Equal(gotSeed.Reveal(), seed.Reveal()) {
			t.Errorf("JWT = %q, want %q; or the seed differs", gotToken, token)
		}
	})
}
