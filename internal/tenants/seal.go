package tenants

import (
	"github.com/signalbox-io/signalbox/internal/claims"
)

// seal makes the seed fit to rest in the database, and wipes it.
func (s *Service) seal(seed claims.Seed, owner string) ([]byte, error) {
	defer seed.Wipe()
	text := seed.Reveal()
	defer clear(text)
	return s.keys.Seal(text, owner)
}

// sign opens a sealed seed for as long as one signature takes.
func (s *Service) sign(sealed []byte, owner string, with func(claims.Seed) (string, error)) (signed string, err error) {
	err = s.keys.Use(sealed, owner, func(text []byte) error {
		seed, err := claims.ParseSeed(text)
		if err != nil {
			return err
		}
		defer seed.Wipe()
		signed, err = with(seed)
		return err
	})
	return signed, err
}

// seedlessKey is a user's key to which nobody has the seed.
func seedlessKey() (claims.UserKey, error) {
	seed, err := claims.NewUserSeed()
	if err != nil {
		return "", err
	}
	defer seed.Wipe()
	return seed.UserKey()
}

// newAccountKey makes an account's or a role's key, its seed sealed.
func (s *Service) newAccountKey() (key claims.AccountKey, sealed []byte, err error) {
	seed, err := claims.NewAccountSeed()
	if err != nil {
		return "", nil, err
	}
	if key, err = seed.AccountKey(); err != nil {
		return "", nil, err
	}
	sealed, err = s.seal(seed, string(key))
	return key, sealed, err
}

// newOperatorKey makes an operator's key, or a signing key for one, its seed sealed.
func (s *Service) newOperatorKey() (key claims.OperatorKey, sealed []byte, err error) {
	seed, err := claims.NewOperatorSeed()
	if err != nil {
		return "", nil, err
	}
	if key, err = seed.OperatorKey(); err != nil {
		return "", nil, err
	}
	sealed, err = s.seal(seed, string(key))
	return key, sealed, err
}
