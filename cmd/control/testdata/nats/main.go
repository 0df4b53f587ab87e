// Command nats stands in for the NATS command line tool where the README is
// tested: it knows the few arguments that the README uses, under the tool's own
// names, and refuses all others.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	connectWithin = 5 * time.Second
	hearWithin    = 30 * time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nats: error:", err)
		os.Exit(1)
	}
}

// run takes flags between the other arguments, as the tool does.
func run(args []string) error {
	flags := flag.NewFlagSet("nats", flag.ContinueOnError)
	server := flags.String("server", os.Getenv("NATS_URL"), "")
	creds := flags.String("creds", os.Getenv("NATS_CREDS"), "")
	count := flags.Int("count", 1, "")
	user := flags.String("user", "", "")
	password := flags.String("password", "", "")
	certificate := flags.String("tlscert", "", "")
	certificateKey := flags.String("tlskey", "", "")
	authority := flags.String("tlsca", "", "")
	tlsFirst := flags.Bool("tlsfirst", false, "")
	var words []string
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return err
		}
		if args = flags.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	if len(words) < 2 {
		return errors.New("expected pub or sub, and a subject")
	}
	options := []nats.Option{nats.Timeout(connectWithin)}
	switch {
	case *certificate != "":
		options = append(options, nats.ClientCert(*certificate, *certificateKey))
	case *user != "":
		options = append(options, nats.UserInfo(*user, *password))
	case *creds != "":
		options = append(options, nats.UserCredentials(*creds))
	}
	if *authority != "" {
		options = append(options, nats.RootCAs(*authority))
	}
	if *tlsFirst {
		options = append(options, nats.TLSHandshakeFirst())
	}
	nc, err := nats.Connect(*server, options...)
	if err != nil {
		return err
	}
	defer nc.Close()
	switch {
	case words[0] == "sub" && len(words) == 2:
		return subscribe(nc, words[1], *count)
	case words[0] == "pub" && len(words) == 3:
		return publish(nc, words[1], words[2])
	}
	return fmt.Errorf("unexpected arguments %q", words)
}

func subscribe(nc *nats.Conn, subject string, count int) error {
	sub, err := nc.SubscribeSync(subject)
	if err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	fmt.Printf("Subscribing on %s\n", subject)
	if file := os.Getenv("TEST_SUBSCRIBED"); file != "" {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
	}
	for i := 1; i <= count; i++ {
		m, err := sub.NextMsg(hearWithin)
		if err != nil {
			return err
		}
		fmt.Printf("[#%d] Received on %q\n%s\n\n", i, m.Subject, m.Data)
	}
	return nil
}

// publish reports what the server refused, which comes before the answer to the flush.
func publish(nc *nats.Conn, subject, body string) error {
	if err := nc.Publish(subject, []byte(body)); err != nil {
		return err
	}
	if err := errors.Join(nc.Flush(), nc.LastError()); err != nil {
		return err
	}
	fmt.Printf("Published %d bytes to %q\n", len(body), subject)
	return nil
}
