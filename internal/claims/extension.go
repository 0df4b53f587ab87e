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
}

// ReservedTags begin the tags that say something to Signalbox's brokers.
const ReservedTags = "signalbox-"

const (
	typesTag           = ReservedTags + "types:"            // standard,mqtt
	typeConnectionsTag = ReservedTags + "type-connections:" // mqtt=10,standard=5
)

// Extension is the part of the account that NATS has no claims for.
func (a Account) Extension() Extension {
	return Extension{ConnectionTypes: a.ConnectionTypes, TypeConnections: a.TypeConnections}
}

func (x Extension) tags() []string {
	var tags []string
	if len(x.ConnectionTypes) > 0 {
		var names []string
		for _, t := range x.ConnectionTypes {
			names = append(names, string(t))
		}
		tags = append(tags, typesTag+strings.ToLower(strings.Join(names, ",")))
	}
	if len(x.TypeConnections) > 0 {
		var counts []string
		for _, t := range slices.Sorted(maps.Keys(x.TypeConnections)) {
			counts = append(counts, fmt.Sprintf("%s=%d", strings.ToLower(string(t)), x.TypeConnections[t]))
		}
		tags = append(tags, typeConnectionsTag+strings.Join(counts, ","))
	}
	return tags
}

func (x Extension) validate() error {
	return errors.Join(validateCompiledTypes(x.ConnectionTypes), ValidateTypeConnections(x.ConnectionTypes, x.TypeConnections))
}

// ReadExtension reads what an account's tags say to brokers. Tags of theirs that
// it does not know are none of its business: a newer control may have written them.
func ReadExtension(tags []string) (Extension, error) {
	var x Extension
	for _, tag := range tags {
		if names, ok := strings.CutPrefix(tag, typesTag); ok {
			for name := range strings.SplitSeq(names, ",") {
				x.ConnectionTypes = append(x.ConnectionTypes, ConnectionType(strings.ToUpper(name)))
			}
		}
		if counts, ok := strings.CutPrefix(tag, typeConnectionsTag); ok {
			x.TypeConnections = map[ConnectionType]int64{}
			for count := range strings.SplitSeq(counts, ",") {
				name, number, _ := strings.Cut(count, "=")
				n, err := strconv.ParseInt(number, 10, 64)
				if err != nil || n < 0 {
					return Extension{}, fault.New(fault.Invalid, "the account's tag %.200q does not say how many connections", tag)
				}
				x.TypeConnections[ConnectionType(strings.ToUpper(name))] = n
			}
		}
	}
	return x, nil
}

// SplitTags tells an account's own tags from Signalbox's, and reads the names of
// the account's revocation pages in those. A name that is none is fault.Invalid:
// there is a page then, and nobody knows which. For the rest, see [ReadExtension].
func SplitTags(tags []string) (own []string, pages []PageHash, err error) {
	for _, tag := range tags {
		if !strings.HasPrefix(tag, ReservedTags) {
			own = append(own, tag)
			continue
		}
		name, ok := strings.CutPrefix(tag, pageTag)
		if !ok {
			continue
		}
		hash, err := ParsePageHash(name)
		if err != nil {
			return nil, nil, wrap("read the account's revocation pages", err)
		}
		pages = append(pages, hash)
	}
	return own, pages, nil
}
