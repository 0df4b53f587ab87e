// Command control is Signalbox's control plane: the REST API, the web UI, and
// the delivery of account JWTs to brokers, over one Postgres. Any number of
// replicas may run on the same database.
//
//	control serve        run a replica
//	control migrate      bring the database's schema up to date, and end
//	control staff EMAIL  make somebody who has signed up staff of the installation
//	control master-key   print a new master key, which seals all seeds at rest
//	control dev          everything on this machine: Postgres, control and a broker
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// ballast is 32 MiB of heap that nothing is written to, so that they cost address
// space and no memory. Control's own heap is some ten, and Go collects garbage
// whenever the heap has doubled: while creds are issued (make bench), that is 9 % of
// control's time, and 3 % with these.
var ballast = make([]byte, 32<<20)

func main() {
	defer runtime.KeepAlive(ballast)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "control:", err)
		os.Exit(1)
	}
}

const usage = `Usage: control COMMAND [flags]

  serve        run a replica of the control plane
  migrate      bring the database's schema up to date
  staff EMAIL  make somebody who has signed up staff of this installation
  master-key   print a new master key, which seals all seeds at rest
  dev          run everything on this machine: Postgres, control and a broker
  version      print the version

Each flag has an environment variable; "control COMMAND -h" lists both.
`

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stdout, usage)
		return errors.New("a command is missing")
	}
	command, args := args[0], args[1:]
	switch command {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return nil
	case "version", "-version", "--version":
		fmt.Fprintln(stdout, version())
		return nil
	}
	commands := map[string]func(context.Context, *settings, []string, io.Writer) error{
		"serve":      serve,
		"migrate":    migrate,
		"staff":      staff,
		"master-key": masterKey,
		"dev":        dev,
	}
	do, ok := commands[command]
	if !ok {
		fmt.Fprint(stdout, usage)
		return fmt.Errorf("there is no command %q", command)
	}
	flags, set := newFlags(command, getenv)
	flags.SetOutput(stdout)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	return do(ctx, set, flags.Args(), stdout)
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "signalbox " + s.Value
		}
	}
	return "signalbox " + info.Main.Version
}
