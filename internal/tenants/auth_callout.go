package tenants

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// AuthCallout leaves an account's logins to an authorization service of the
// tenant's own. Its JSON is how it is stored.
type AuthCallout struct {
	// AuthUsers are not left to it: ids of users, who are so with whatever
	// credential, or public keys of credentials. The service itself is one.
	AuthUsers       []string    `json:"auth_users"`
	AllowedAccounts []AccountID `json:"allowed_accounts,omitempty"` // the tenant's others that it may put users in
	XKey            string      `json:"xkey,omitempty"`             // what requests are encrypted for, X…; empty: they are not
}

// AccountSigningKey is a key of an account whose seed the tenant keeps: an
// authorization service signs with it. Its JSON is how it is stored.
type AccountSigningKey struct {
	PublicKey   claims.AccountKey `json:"public_key"`
	RoleID      RoleID            `json:"role_id,omitempty"` // of those whom it signs; empty: they have permissions of their own
	Description string            `json:"description,omitempty"`
}

// anyAccount is how NATS writes that a service may put users into every account there is.
const anyAccount = "*"

func (c *AuthCallout) validate() error {
	if c == nil {
		return nil
	}
	var errs []error
	if len(c.AuthUsers) == 0 || len(c.AuthUsers) > claims.MaxCalloutUsers {
		errs = append(errs, fault.Field("/auth_callout/auth_users", "from 1 to %d, the service's own user among them: whoever is not listed gets in only if the service lets them in", claims.MaxCalloutUsers))
	}
	for i, user := range c.AuthUsers {
		at := fmt.Sprintf("/auth_callout/auth_users/%d", i)
		if slices.Contains(c.AuthUsers[:i], user) {
			errs = append(errs, fault.Field(at, "this user is listed twice"))
		}
		if !strings.HasPrefix(user, "usr_") {
			_, err := claims.ParseUserKey(user)
			errs = append(errs, fault.At(at, err))
		}
	}
	if len(c.AllowedAccounts) > claims.MaxCalloutAccounts {
		errs = append(errs, fault.Field("/auth_callout/allowed_accounts", "%d accounts at most", claims.MaxCalloutAccounts))
	}
	for i, account := range c.AllowedAccounts {
		at := fmt.Sprintf("/auth_callout/allowed_accounts/%d", i)
		switch {
		case account == anyAccount:
			errs = append(errs, fault.Field(at, "* would let the service put users into other tenants' accounts; name the accounts"))
		case slices.Contains(c.AllowedAccounts[:i], account):
			errs = append(errs, fault.Field(at, "this account is listed twice"))
		}
	}
	if c.XKey != "" {
		_, err := claims.ParseXKey(c.XKey)
		errs = append(errs, fault.At("/auth_callout/xkey", err))
	}
	return errors.Join(errs...)
}

func validateSigningKeys(keys []AccountSigningKey) error {
	if len(keys) > claims.MaxSigningKeys {
		return fault.Field("/signing_keys", "%d keys at most", claims.MaxSigningKeys)
	}
	var errs []error
	for i, key := range keys {
		at := fmt.Sprintf("/signing_keys/%d", i)
		_, err := claims.ParseAccountKey(string(key.PublicKey))
		errs = append(errs, fault.At(at+"/public_key", err), fault.At(at+"/description", claims.ValidateDescription(key.Description)))
		if slices.ContainsFunc(keys[:i], func(other AccountSigningKey) bool { return other.PublicKey == key.PublicKey }) {
			errs = append(errs, fault.Field(at+"/public_key", "this key is listed twice"))
		}
	}
	return errors.Join(errs...)
}

// users are those of the callout's users that are given by their ids; keys are the others.
func (c *AuthCallout) split() (users []UserID, keys []claims.UserKey) {
	if c == nil {
		return nil, nil
	}
	for _, user := range c.AuthUsers {
		if strings.HasPrefix(user, "usr_") {
			users = append(users, UserID(user))
		} else {
			keys = append(keys, claims.UserKey(user))
		}
	}
	return users, keys
}

// delegatesAs says whether the settings say of services and their keys what the others do.
func (s AccountSettings) delegatesAs(other AccountSettings) bool {
	return reflect.DeepEqual(s.AuthCallout, other.AuthCallout) && slices.Equal(s.SigningKeys, other.SigningKeys)
}

// spares says whether the account judges that user's logins by itself, although it leaves others to its service.
func (c *AuthCallout) spares(user UserID) bool {
	return c != nil && slices.Contains(c.AuthUsers, string(user))
}
