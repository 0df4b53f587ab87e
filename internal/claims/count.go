package claims

import (
	"maps"
	"slices"
)

// ConnectionsOf is how many connections of a type the account may have at one
// time, across the operator's brokers: [Unlimited] when only the account's own
// limit counts.
func (x Extension) ConnectionsOf(t ConnectionType) int64 {
	if n, ok := x.TypeConnections[t]; ok {
		return n
	}
	return Unlimited
}

// UserConnections is how many connections a user may have at one time, likewise,
// who was let in by a role.
func (x Extension) UserConnections(name string, role AccountKey) int64 {
	return Unlimited
}

// Any says whether anything is counted.
func (x Extension) Any() bool { return len(x.TypeConnections) > 0 }

// SameCounts says whether the same is counted, up to the same numbers.
func (x Extension) SameCounts(other Extension) bool {
	return maps.Equal(x.TypeConnections, other.TypeConnections)
}

// AllowsType says whether connections of a type are allowed.
func (x Extension) AllowsType(t ConnectionType) bool {
	return len(x.ConnectionTypes) == 0 || slices.Contains(x.ConnectionTypes, t)
}
