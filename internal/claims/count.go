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
// whose credential a role signed.
func (x Extension) UserConnections(name string, role AccountKey) int64 {
	if o, ok := FindOverride(x.Overrides, name); ok {
		return o.Connections
	}
	if n, ok := x.RoleConnections[role]; ok {
		return n
	}
	return Unlimited
}

// Counts says whether anything is counted.
func (x Extension) Counts() bool {
	return len(x.TypeConnections) > 0 || len(x.RoleConnections) > 0 ||
		slices.ContainsFunc(x.Overrides, func(o UserOverride) bool { return o.Connections != Unlimited })
}

// SameCounts says whether the same is counted, up to the same numbers.
func (x Extension) SameCounts(other Extension) bool {
	return maps.Equal(x.TypeConnections, other.TypeConnections) && maps.Equal(x.RoleConnections, other.RoleConnections) &&
		slices.EqualFunc(x.Overrides, other.Overrides, func(a, b UserOverride) bool { return a.Name == b.Name && a.Connections == b.Connections })
}

// AllowsType says whether connections of a type are allowed.
func (x Extension) AllowsType(t ConnectionType) bool {
	return len(x.ConnectionTypes) == 0 || slices.Contains(x.ConnectionTypes, t)
}
