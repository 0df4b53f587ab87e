package claims

import (
	"bytes"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

const (
	credsHead   = "-----BEGIN NATS USER JWT-----\n"
	credsMiddle = `
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
`
	credsFoot = `
------END USER NKEY SEED------

*************************************************************
`
)

// maxCredsBytes bounds what ParseCreds looks at: a JWT and the lines around it.
const maxCredsBytes = MaxTokenBytes + 4096

// FormatCreds writes the creds file of a user, byte for byte as NATS tools do.
// It does not look at what it is given: the caller has just minted both. The
// result holds the seed: it goes to the person it is for, and nowhere else.
func FormatCreds(jwt string, seed Seed) []byte {
	text := seed.Reveal()
	defer clear(text)
	b := make([]byte, 0, len(credsHead)+len(jwt)+len(credsMiddle)+len(text)+len(credsFoot))
	b = append(b, credsHead...)
	b = append(b, jwt...)
	b = append(b, credsMiddle...)
	b = append(b, text...)
	return append(b, credsFoot...)
}

// FormatCredsWithoutSeed writes the part of a creds file that is no secret, for
// clients that keep their seed in another file.
func FormatCredsWithoutSeed(jwt string) []byte {
	head, _, _ := strings.Cut(credsMiddle, "\n\n")
	return []byte(credsHead + jwt + head + "\n")
}

// ParseCreds reads a creds file as leniently as NATS tools do: the JWT is the
// first line fenced by dashes, the seed the second. It does not verify the JWT,
// nor that the two belong together. Errors are fault.Invalid and repeat nothing.
func ParseCreds(b []byte) (jwt string, seed Seed, err error) {
	if len(b) > maxCredsBytes {
		return "", Seed{}, fault.New(fault.Invalid, "this is too long for a creds file")
	}
	fenced := fencedLines(b)
	if len(fenced) < 2 {
		return "", Seed{}, fault.New(fault.Invalid, "this is not a creds file: it needs a JWT and a seed, each between two lines of dashes")
	}
	seed, err = ParseSeed(fenced[1])
	if err != nil {
		return "", Seed{}, wrap("read the seed in the creds file", err)
	}
	if _, err := seed.publicOf(nkeys.PrefixByteUser); err != nil {
		return "", Seed{}, wrap("read the seed in the creds file", err)
	}
	return string(fenced[0]), seed, nil
}

// fencedLines are the first two lines that stand alone between lines of dashes.
func fencedLines(b []byte) [][]byte {
	var fenced [][]byte
	lines := bytes.Split(b, []byte("\n"))
	for i := 1; i+1 < len(lines) && len(fenced) < 2; i++ {
		line := bytes.TrimSpace(lines[i])
		if isFence(lines[i-1]) && isFence(lines[i+1]) && len(line) > 0 && !isFence(line) {
			fenced = append(fenced, line)
		}
	}
	return fenced
}

func isFence(line []byte) bool {
	s := strings.TrimSpace(string(line))
	return len(s) > 6 && strings.HasPrefix(s, "---") && strings.HasSuffix(s, "---")
}
