package main

import "syscall"

// childAttr has a child die with its parent, and keeps the terminal's Ctrl-C
// from it, so that it is stopped in its turn.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
