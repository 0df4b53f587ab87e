package claims

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Extension is what an account's JWT says that NATS has no claim for, to
// Signalbox's brokers. It rides in tags, which servers and tools carry along;
// they may turn them into lower case, and nothing here minds.
type Extension struct {
	ConnectionTypes []ConnectionType         // as in Account
	TypeConnections map[ConnectionType]int64 // as in Account
	RoleConnections map[AccountKey]int64     // as in Account
	Overrides       []UserOverride           // as in Account
	ConsoleRoles    []AccountKey             // as in Account
}

// ReservedTags begin the tags that say something to Signalbox's brokers.
const ReservedTags = "signalbox-"

const (
	typesTag           = ReservedTags + "types:"            // standard,mqtt
	typeConnectionsTag = ReservedTags + "type-connections:" // mqtt=10,standard=5
	roleConnectionsTag = ReservedTags + "role-connections:" // aabc…=2,aabd…=5
	consoleTag         = ReservedTags + "console:"          // aabc…,aabd…
)

// Extension is the part of the account that NATS has no claims for.
func (a Account) Extension() Extension {
	return Extension{
		ConnectionTypes: a.ConnectionTypes, TypeConnections: a.TypeConnections,
		RoleConnections: a.RoleConnections, Overrides: a.Overrides, ConsoleRoles: a.ConsoleRoles,
	}
}

func (x Extension) tags() ([]string, error) {
	var tags []string
	if len(x.ConnectionTypes) > 0 {
		var names []string
		for _, t := range x.ConnectionTypes {
			names = append(names, string(t))
		}
		tags = append(tags, typesTag+strings.ToLower(strings.Join(names, ",")))
	}
	tags = append(tags, countsTag(typeConnectionsTag, x.TypeConnections)...)
	tags = append(tags, countsTag(roleConnectionsTag, x.RoleConnections)...)
	if len(x.ConsoleRoles) > 0 {
		var keys []string
		for _, key := range slices.Sorted(slices.Values(x.ConsoleRoles)) {
			keys = append(keys, strings.ToLower(string(key)))
		}
		tags = append(tags, consoleTag+strings.Join(keys, ","))
	}
	if len(x.Overrides) > 0 {
		users, err := encodeOverrides(x.Overrides)
		if err != nil {
			return nil, wrap("encode the overrides of users", err)
		}
		tags = append(tags, overridesTag+users)
	}
	return tags, nil
}

func countsTag[K ~string](tag string, counts map[K]int64) []string {
	if len(counts) == 0 {
		return nil
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%s=%d", strings.ToLower(string(key)), counts[key]))
	}
	return []string{tag + strings.Join(list, ",")}
}

func (x Extension) validate() error {
	return errors.Join(
		validateCompiledTypes(x.ConnectionTypes),
		ValidateTypeConnections(x.ConnectionTypes, x.TypeConnections),
		validateRoleConnections(x.RoleConnections),
		validateOverrides(x.Overrides),
		validateConsoleRoles(x.ConsoleRoles),
	)
}

func validateConsoleRoles(roles []AccountKey) error {
	for _, key := range roles {
		if _, err := ParseAccountKey(string(key)); err != nil {
			return fault.At("/console_roles", err)
		}
	}
	return nil
}

func validateRoleConnections(counts map[AccountKey]int64) error {
	for key, n := range counts {
		if _, err := ParseAccountKey(string(key)); err != nil {
			return fault.At("/role_connections", err)
		}
		if n < 0 {
			return fault.Field("/role_connections", "a role without a limit is left out")
		}
	}
	return nil
}

// ReadExtension reads what an account's tags say to brokers. Tags of theirs that
// it does not know are none of its business: a newer control may have written them.
func ReadExtension(tags []string) (x Extension, err error) {
	for _, tag := range tags {
		if names, ok := strings.CutPrefix(tag, typesTag); ok {
			for name := range strings.SplitSeq(names, ",") {
				x.ConnectionTypes = append(x.ConnectionTypes, ConnectionType(strings.ToUpper(name)))
			}
		}
		if counts, ok := strings.CutPrefix(tag, typeConnectionsTag); ok {
			x.TypeConnections, err = readCounts[ConnectionType](counts)
		}
		if counts, ok := strings.CutPrefix(tag, roleConnectionsTag); ok {
			x.RoleConnections, err = readCounts[AccountKey](counts)
		}
		if keys, ok := strings.CutPrefix(tag, consoleTag); ok {
			for key := range strings.SplitSeq(keys, ",") {
				x.ConsoleRoles = append(x.ConsoleRoles, AccountKey(strings.ToUpper(key)))
			}
		}
		if users, ok := strings.CutPrefix(tag, overridesTag); ok {
			x.Overrides, err = decodeOverrides(users)
		}
		if err != nil {
			return Extension{}, err
		}
	}
	return x, nil
}

func readCounts[K ~string](text string) (map[K]int64, error) {
	counts := map[K]int64{}
	for count := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(count, "=")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 {
			return nil, fault.New(fault.Invalid, "the account's tag %.200q does not say how many connections", text)
		}
		counts[K(strings.ToUpper(name))] = n
	}
	return counts, nil
}

// SplitTags tells an account's own tags from Signalbox's, and reads the names of
// the account's pages in those. A name that is none is fault.Invalid. For the
// rest, see [ReadExtension].
func SplitTags(tags []string) (own []string, pages []PageName, err error) {
	trusted := false
	for _, tag := range tags {
		if !strings.HasPrefix(tag, ReservedTags) {
			own = append(own, tag)
			continue
		}
		name, ok, err := readPageTag(tag)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		if name.Kind == TrustKind && trusted {
			return nil, nil, fault.New(fault.Invalid, "the account names two pages of what it trusts")
		}
		trusted = trusted || name.Kind == TrustKind
		pages = append(pages, name)
	}
	return own, pages, nil
}
