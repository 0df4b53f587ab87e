//go:build !unix

package main

// lameDuck is never closed: there is no signal for it.
func lameDuck() <-chan struct{} { return nil }
