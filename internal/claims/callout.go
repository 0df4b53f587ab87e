package claims

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Callout leaves an account's logins to an authorization service of its own,
// which listens in the account (NATS calls it auth callout).
type Callout struct {
	Users    []UserKey    // who are not left to it, the service itself above all; at least one
	Accounts []AccountKey // other accounts that it may put users in
	XKey     string       // what requests are encrypted for, X…; empty: they are not
}

// The most that a callout may name.
const (
	MaxCalloutUsers    = 256
	MaxCalloutAccounts = 64
	MaxSigningKeys     = 16 // of an account, besides its roles'
)

// Nobody is a user's key to which nobody has the seed: a hash that says whose it is.
func Nobody(account AccountKey) UserKey {
	sum := sha256.Sum256([]byte("signalbox: nobody in " + account))
	return UserKey(encodeKey(nkeys.PrefixByteUser, sum[:]))
}

// ParseXKey reads the public key of an encryption key pair. Its error is a
// fault.Invalid that never repeats what was given.
func ParseXKey(s string) (string, error) {
	got := kindOf(s)
	switch {
	case got == nkeys.PrefixByteCurve && len(s) == publicKeyLength:
		return s, nil
	case got == nkeys.PrefixByteUnknown:
		return "", fault.New(fault.Invalid, "this is not a public key; an encryption public key has %d characters and starts with X", publicKeyLength)
	case got == nkeys.PrefixByteSeed || got == nkeys.PrefixBytePrivate:
		return "", fault.New(fault.Invalid, "this is a seed or private key: keep it to yourself, send only the public key")
	}
	return "", fault.New(fault.Invalid, "this is %s public key; an encryption public key starts with X", possessive[got])
}

func (c *Callout) validate() error {
	if c == nil {
		return nil
	}
	var errs []error
	if len(c.Users) == 0 || len(c.Users) > MaxCalloutUsers {
		errs = append(errs, fault.Field("/auth_callout/auth_users", "from 1 to %d, the service itself among them: who is not listed is left to it", MaxCalloutUsers))
	}
	for i, key := range c.Users {
		if _, err := ParseUserKey(string(key)); err != nil {
			errs = append(errs, fault.At(fmt.Sprintf("/auth_callout/auth_users/%d", i), err))
		}
	}
	if len(c.Accounts) > MaxCalloutAccounts {
		errs = append(errs, fault.Field("/auth_callout/allowed_accounts", "%d accounts at most", MaxCalloutAccounts))
	}
	for i, key := range c.Accounts {
		if _, err := ParseAccountKey(string(key)); err != nil {
			errs = append(errs, fault.At(fmt.Sprintf("/auth_callout/allowed_accounts/%d", i), err))
		}
	}
	if c.XKey != "" {
		_, err := ParseXKey(c.XKey)
		errs = append(errs, fault.At("/auth_callout/xkey", err))
	}
	return errors.Join(errs...)
}

func (c *Callout) authorization() jwt.ExternalAuthorization {
	var out jwt.ExternalAuthorization
	if c == nil {
		return out
	}
	for _, key := range slices.Compact(slices.Sorted(slices.Values(c.Users))) {
		out.AuthUsers.Add(string(key))
	}
	for _, key := range slices.Compact(slices.Sorted(slices.Values(c.Accounts))) {
		out.AllowedAccounts.Add(string(key))
	}
	out.XKey = c.XKey
	return out
}

func calloutOf(a jwt.ExternalAuthorization) *Callout {
	if !a.IsEnabled() {
		return nil
	}
	c := &Callout{XKey: a.XKey}
	for _, key := range a.AuthUsers {
		c.Users = append(c.Users, UserKey(key))
	}
	for _, key := range a.AllowedAccounts {
		c.Accounts = append(c.Accounts, AccountKey(key))
	}
	return c
}

// validateSigningKeys reports keys that are none, or that another signer has.
func (a Account) validateSigningKeys() error {
	if len(a.SigningKeys) > MaxSigningKeys {
		return fault.Field("/signing_keys", "%d keys at most", MaxSigningKeys)
	}
	var errs []error
	for i, key := range a.SigningKeys {
		pointer := fmt.Sprintf("/signing_keys/%d", i)
		if _, err := ParseAccountKey(string(key)); err != nil {
			errs = append(errs, fault.At(pointer, err))
		}
		if slices.Contains(a.SigningKeys[:i], key) || slices.ContainsFunc(a.Roles, func(r Role) bool { return r.Key == key }) {
			errs = append(errs, fault.Field(pointer, "the account has this key already"))
		}
	}
	return errors.Join(errs...)
}
