//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// lameDuck is closed by the signal that nats-server takes for its lame-duck mode.
func lameDuck() <-chan struct{} {
	signals, leave := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGUSR2) // never stopped: another one must not end the process
	go func() {
		<-signals
		close(leave)
	}()
	return leave
}
