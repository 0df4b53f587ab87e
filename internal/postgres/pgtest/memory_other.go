//go:build !linux

package pgtest

// memory returns "": there is no folder in memory to be found here.
func memory() string { return "" }
