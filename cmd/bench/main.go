// Command bench measures Signalbox and the stock nats-server beside each other,
// on this machine and in one run, and prints what came of it as a table.
//
//	bench [-scale small] [-run REGEXP] [-o bench.json] [-readme README.md]
//
// Signalbox is the real programs, control and broker, as processes of their own
// on a Postgres that syncs to disk. The stock server is nats-server's own code,
// unchanged, with its full resolver, in a process of its own too (bench stock).
// Both get the same configuration file, accounts and clients. Samples of the two
// are taken in turn, so that whatever else the machine is doing meets both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/signalbox-io/signalbox/internal/postgres/embedded"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == stockCommand {
		exit(runStock(os.Args[2]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is one run.
type bench struct {
	scale scale
	bin   string // folder of control and broker
	dir   string // everything it writes is below, and goes when it ends
	out   io.Writer
	rows  []row

	postgres *embedded.Server // as careful with its disk as in production
}

// families are the rows that share servers, in the order of the table.
var families = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"start", (*bench).measureStart},
	{"login", (*bench).measureLogins},
	{"revoke", (*bench).measureRevocations},
	{"store", (*bench).measureStore},
	{"issue", (*bench).measureIssue},
	{"traffic", (*bench).measureTraffic},
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stdout)
	scaleName := flags.String("scale", "small", "`SIZE` of everything: small takes two minutes, full a quarter of an hour, tiny shows only that it works")
	only := flags.String("run", "", "`REGEXP` of the families to measure: start, login, revoke, store, issue, traffic (default: all)")
	bin := flags.String("bin", "bin", "`FOLDER` of the programs control and broker")
	results := flags.String("o", "", "`FILE` to write the figures to, as JSON")
	readme := flags.String("readme", "", "`FILE` whose table is to be replaced by this one")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *only != "" && *readme != "" {
		return errors.New("-run measures some rows, and -readme replaces all")
	}
	size, ok := scales[*scaleName]
	if !ok {
		return fmt.Errorf("there is no scale %q", *scaleName)
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	b := &bench{scale: size, bin: *bin, out: stdout}
	err = b.open(ctx)
	if err == nil {
		err = b.measure(ctx, wanted)
	}
	if err == nil {
		err = b.report(*scaleName).write(stdout, *results, *readme)
	}
	return errors.Join(err, b.close()) // which takes minutes after a million files
}

// open makes the folder and starts Postgres.
func (b *bench) open(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "signalbox-bench-"); err != nil {
		return err
	}
	b.postgres, err = embedded.Start(ctx, embedded.Options{Dir: filepath.Join(b.dir, "postgres")})
	return err
}

// close leaves nothing behind.
func (b *bench) close() error {
	var err error
	if b.postgres != nil {
		err = b.postgres.Stop()
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// measure runs the families whose names match.
func (b *bench) measure(ctx context.Context, wanted *regexp.Regexp) error {
	for _, f := range families {
		if !wanted.MatchString(f.name) {
			continue
		}
		fmt.Fprintf(b.out, "%s…\n", f.name)
		if err := f.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// folder makes a new folder for one part of the run.
func (b *bench) folder(name string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.MkdirAll(path, 0o700)
}

// add keeps a row and shows that it is done.
func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	fmt.Fprintf(b.out, "  %s: stock %s, Signalbox %s\n", r.Name, r.cell(r.Stock), r.cell(r.Signalbox))
}
