package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// identity is who a broker is. It is written twice: with the seed alone before
// the broker enrols, so that a repeated attempt asks for the same seat, and
// whole once it has.
type identity struct {
	Seed             string `json:"seed"` // of the broker's system-account user
	BrokerID         string `json:"broker_id,omitempty"`
	Token            string `json:"token,omitempty"` // sbb_…: for announcements
	OperatorID       string `json:"operator_id,omitempty"`
	OperatorJWT      string `json:"operator_jwt,omitempty"`
	SystemAccount    string `json:"system_account_public_key,omitempty"`
	SystemAccountJWT string `json:"system_account_jwt,omitempty"`
	UserJWT          string `json:"user_jwt,omitempty"`
	// Unseated is why control does not take the broker for one of its own any more,
	// which stays so whether or not control can be asked. Empty: it does.
	Unseated string `json:"unseated,omitempty"`
}

const identityFile = "identity.json"

func (i identity) enrolled() bool { return i.UserJWT != "" }

func (i identity) seed() (claims.Seed, error) {
	seed, err := claims.ParseSeed([]byte(i.Seed))
	if err != nil {
		return claims.Seed{}, fmt.Errorf("read the broker's seed: %w", err)
	}
	return seed, nil
}

func (i identity) publicKey() (string, error) {
	seed, err := i.seed()
	if err != nil {
		return "", err
	}
	key, err := seed.UserKey()
	return string(key), err
}

func (i identity) login() (resolver.Login, error) {
	seed, err := i.seed()
	if err != nil {
		return resolver.Login{}, err
	}
	return resolver.NewLogin(i.UserJWT, seed)
}

// identify reads the identity, or enrols.
func (b *Broker) identify(ctx context.Context) (identity, error) {
	path := filepath.Join(b.cfg.DataDir, identityFile)
	i, err := readIdentity(path)
	if err != nil {
		return identity{}, err
	}
	if i.enrolled() {
		return i, nil
	}
	if b.cfg.ControlURL == "" || b.cfg.EnrollmentToken == "" {
		return identity{}, fmt.Errorf("this broker is not enrolled yet (there is no finished %s): give it control's URL and an enrolment token", path)
	}
	if i.Seed == "" {
		seed, err := claims.NewUserSeed()
		if err != nil {
			return identity{}, err
		}
		i.Seed = string(seed.Reveal())
		if err := writeIdentity(path, i); err != nil {
			return identity{}, err
		}
	}
	if i, err = b.enroll(ctx, i); err != nil {
		return identity{}, err
	}
	return i, writeIdentity(path, i)
}

// readIdentity returns an empty identity when there is none.
func readIdentity(path string) (identity, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, nil
	}
	if err != nil {
		return identity{}, fmt.Errorf("read the broker's identity: %w", err)
	}
	var i identity
	if err := json.Unmarshal(text, &i); err != nil {
		return identity{}, fmt.Errorf("read the broker's identity: %s is damaged; delete it and enrol again with a new token", path)
	}
	return i, nil
}

// writeIdentity replaces the file in one step, readable by its owner only.
func writeIdentity(path string, i identity) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	text, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the broker's identity: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), identityFile+".*") // 0600
	if err != nil {
		return fmt.Errorf("write the broker's identity: %w", err)
	}
	_, err = temporary.Write(append(text, '\n'))
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the broker's identity: %w", err), os.Remove(temporary.Name()))
	}
	return nil
}
