package httpapi

import (
	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func authCalloutOf(c *tenants.AuthCallout) *api.AuthCallout {
	if c == nil {
		return nil
	}
	return &api.AuthCallout{
		AuthUsers:       mapped(c.AuthUsers, func(user string) string { return user }),
		AllowedAccounts: mapped(c.AllowedAccounts, func(id tenants.AccountID) api.Id { return string(id) }),
		Xkey:            orNil(c.XKey),
	}
}

// authCalloutView is the setting as the API takes it, every field present.
func authCalloutView(c *tenants.AuthCallout) *api.AuthCalloutUpdate {
	if c == nil {
		return nil
	}
	out := authCalloutOf(c)
	return &api.AuthCalloutUpdate{AuthUsers: &out.AuthUsers, AllowedAccounts: &out.AllowedAccounts, Xkey: out.Xkey}
}

func authCalloutFrom(in *api.AuthCalloutUpdate) *tenants.AuthCallout {
	if in == nil {
		return nil
	}
	c := &tenants.AuthCallout{AuthUsers: orZero(in.AuthUsers), XKey: orZero(in.Xkey)}
	for _, id := range orZero(in.AllowedAccounts) {
		c.AllowedAccounts = append(c.AllowedAccounts, tenants.AccountID(id))
	}
	return c
}

func accountSigningKeysOf(keys []tenants.AccountSigningKey) []api.AccountSigningKey {
	return mapped(keys, func(k tenants.AccountSigningKey) api.AccountSigningKey {
		return api.AccountSigningKey{PublicKey: string(k.PublicKey), RoleId: orNil(string(k.RoleID)), Description: orNil(k.Description)}
	})
}

func accountSigningKeysFrom(in []api.AccountSigningKey) (keys []tenants.AccountSigningKey) {
	for _, k := range in {
		keys = append(keys, tenants.AccountSigningKey{
			PublicKey: claims.AccountKey(k.PublicKey), RoleID: tenants.RoleID(orZero(k.RoleId)), Description: orZero(k.Description),
		})
	}
	return keys
}
