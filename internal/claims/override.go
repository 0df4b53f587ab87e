package claims

import (
	"bytes"
	"compress/flate"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// UserOverride says what a user is, whatever its credentials say. It is for one
// whose credentials were signed when it was in another role or had other tags,
// and for one with a number of connections, or types of them, of its own. It holds for
// users that a role of the account signed.
type UserOverride struct {
	Name        string     // of the user, as its JWTs have it
	Role        AccountKey // whose template holds for it
	Tags        []string   // instead of those in its JWTs
	Connections int64      // that it may have at one time: Unlimited, or so many
	// ConnectionTypes that it may use, of those that its role allows; empty: all of them.
	ConnectionTypes []ConnectionType
}

// MaxOverrides is how many users of an account may have one.
const MaxOverrides = 1000

// overridesTag is followed by base32 of the deflated JSON of a list.
const overridesTag = ReservedTags + "users:"

// maxOverrideBytes bounds what a tag may inflate to; a JWT is 1 MiB at most.
const maxOverrideBytes = 16 << 20

// packed are overrides as they travel: roles by their place in a list, since many
// users move to the same one.
type packed struct {
	Roles []AccountKey `json:"r"`
	Users []packedUser `json:"u"`
}

type packedUser struct {
	Name        string           `json:"n"`
	Role        int              `json:"r"`
	Tags        []string         `json:"t,omitempty"`
	Connections int64            `json:"c"`
	Types       []ConnectionType `json:"w,omitempty"`
}

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func encodeOverrides(list []UserOverride) (string, error) {
	var p packed
	places := map[AccountKey]int{}
	for _, o := range list {
		place, ok := places[o.Role]
		if !ok {
			place = len(p.Roles)
			places[o.Role] = place
			p.Roles = append(p.Roles, o.Role)
		}
		p.Users = append(p.Users, packedUser{Name: o.Name, Role: place, Tags: o.Tags, Connections: o.Connections, Types: o.ConnectionTypes})
	}
	text, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(text); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return lowerBase32.EncodeToString(small.Bytes()), nil
}

func decodeOverrides(s string) ([]UserOverride, error) {
	bad := func(err error) error {
		return &fault.Error{Kind: fault.Invalid, Message: "the account's users that differ from their credentials cannot be read", Cause: err}
	}
	small, err := lowerBase32.DecodeString(s)
	if err != nil {
		return nil, bad(err)
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(small)), maxOverrideBytes))
	if err != nil {
		return nil, bad(err)
	}
	var p packed
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, bad(err)
	}
	list := make([]UserOverride, 0, len(p.Users))
	for _, u := range p.Users {
		if u.Role < 0 || u.Role >= len(p.Roles) {
			return nil, bad(fmt.Errorf("no role %d", u.Role))
		}
		list = append(list, UserOverride{Name: u.Name, Role: p.Roles[u.Role], Tags: u.Tags, Connections: u.Connections, ConnectionTypes: u.Types})
	}
	return list, nil
}

// validateOverrides wants them sorted by name, each name once.
func validateOverrides(list []UserOverride) error {
	if len(list) > MaxOverrides {
		return fault.New(fault.OverLimit, "more than %d users of the account have a number or types of connections of their own, or credentials from before they were moved or tagged; "+
			"issue those anew and revoke the old ones, or put the users into a role with that number or those types", MaxOverrides)
	}
	var errs []error
	for i, o := range list {
		pointer := fmt.Sprintf("/overrides/%d", i)
		_, err := ParseAccountKey(string(o.Role))
		errs = append(errs, fault.At(pointer+"/name", ValidateUserName(o.Name)), fault.At(pointer+"/role", err), below(pointer, ValidateTags(o.Tags)), below(pointer, ValidateConnectionTypes(o.ConnectionTypes)))
		if i > 0 && strings.Compare(list[i-1].Name, o.Name) >= 0 {
			errs = append(errs, fault.Field(pointer+"/name", "users are sorted by name, each once"))
		}
		if o.Connections < Unlimited {
			errs = append(errs, fault.Field(pointer+"/connections", "a limit is -1 for unlimited, 0 for none, or a positive number"))
		}
	}
	return errors.Join(errs...)
}

// FindOverride is the user's override in a list that is sorted by name.
func FindOverride(list []UserOverride, name string) (UserOverride, bool) {
	i, found := slices.BinarySearchFunc(list, name, func(o UserOverride, name string) int { return strings.Compare(o.Name, name) })
	if !found {
		return UserOverride{}, false
	}
	return list[i], true
}
