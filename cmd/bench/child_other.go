//go:build !linux

package main

import "syscall"

// childAttr keeps the terminal's Ctrl-C from a child, so that it is stopped in its turn.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
