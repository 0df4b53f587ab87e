package auth

import (
	"context"
	"fmt"
	"strings"

	"github.com/alexedwards/argon2id"
	"github.com/nbutton23/zxcvbn-go"

	"github.com/signalbox-io/signalbox/internal/fault"
)

const (
	minPassword = 10
	maxPassword = 256
	// minScore of zxcvbn's 0 to 4: 2 resists about 10^8 guesses, which is more
	// than the rate limit on logging in leaves to anyone.
	minScore = 2
)

// nobody is the hash compared against when the e-mail is unknown, so that the
// answer takes as long as for a wrong password. It is a hash of random bits.
const nobody = "$argon2id$v=19$m=65536,t=1,p=2$c2lnbmFsYm94bm9ib2R5IQ$0Q1n3m1nqvYyqkPvU1c1lJt7f9QmJc1cJk1sO8Vw3mY"

var passwordParams = &argon2id.Params{Memory: 64 * 1024, Iterations: 1, Parallelism: 2, SaltLength: 16, KeyLength: 32}

// checkPassword refuses passwords that are short, or easy to guess for someone
// who knows the e-mail and the team's name.
func checkPassword(password string, known ...string) error {
	switch n := len([]rune(password)); {
	case n < minPassword:
		return fault.Field("/password", "must have at least %d characters", minPassword)
	case n > maxPassword:
		return fault.Field("/password", "must have at most %d characters", maxPassword)
	}
	for _, k := range known {
		if k != "" && strings.EqualFold(password, k) {
			return fault.Field("/password", "must not be your e-mail or your team's name")
		}
	}
	if zxcvbn.PasswordStrength(password, known).Score < minScore {
		return fault.Field("/password", "is easy to guess; add a word or two that have nothing to do with each other")
	}
	return nil
}

func (s *Service) hashPassword(ctx context.Context, password string) (hash string, err error) {
	err = s.withPlace(ctx, func() error {
		hash, err = argon2id.CreateHash(password, passwordParams)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

func (s *Service) passwordMatches(ctx context.Context, password, hash string) (ok bool, err error) {
	err = s.withPlace(ctx, func() error {
		ok, err = argon2id.ComparePasswordAndHash(password, hash)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return ok, nil
}
