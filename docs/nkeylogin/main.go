// Command nkeylogin is an example of a client with a device login of the kind
// nkey: it sends one message.
//
//	nkeylogin URL ACCOUNT_KEY SEED_FILE SUBJECT MESSAGE
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nkeylogin:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 5 {
		return errors.New("expected URL, account's public key, seed's file, subject and message")
	}
	url, account, file, subject, message := args[0], args[1], args[2], args[3], args[4]
	key, err := nats.NkeyOptionFromSeed(file) // signs what the broker asks it to
	if err != nil {
		return err
	}
	nc, err := nats.Connect(url, key, nats.UserInfo(account, "")) // in the URL, a user would keep nats.go from using the key
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := nc.Publish(subject, []byte(message)); err != nil {
		return err
	}
	return nc.Flush()
}
