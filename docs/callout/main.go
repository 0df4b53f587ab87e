// Command callout is an example of an authorization service (NATS calls it auth
// callout): it lets those clients in whose token it knows, each with permissions of its own.
//
//	callout keys     makes the service's keys, in signing.nk and xkey.nk, and prints their public halves
//	callout serve    answers brokers by tokens.json, until it is told to stop
//
// It connects to NATS_URL with NATS_CREDS.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

func main() {
	run := map[string]func(io.Writer) error{"keys": makeKeys, "serve": serve}[strings.Join(os.Args[1:], " ")]
	if run == nil {
		run = func(io.Writer) error { return errors.New("expected keys or serve") }
	}
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "callout:", err)
		os.Exit(1)
	}
}

// makeKeys makes the key that signs users and answers, and the one that decrypts requests.
func makeKeys(out io.Writer) error {
	for _, k := range []struct {
		name, file string
		make       func() (nkeys.KeyPair, error)
	}{{"SIGNING", "signing.nk", nkeys.CreateAccount}, {"XKEY", "xkey.nk", nkeys.CreateCurveKeys}} {
		pair, err := k.make()
		if err != nil {
			return err
		}
		seed, err := pair.Seed()
		if err != nil {
			return err
		}
		public, err := pair.PublicKey()
		if err != nil {
			return err
		}
		if err := os.WriteFile(k.file, seed, 0o600); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s=%s\n", k.name, public)
	}
	return nil
}

// client is who has a token.
type client struct {
	Name      string   `json:"name"`
	Publish   []string `json:"publish"`
	Subscribe []string `json:"subscribe"`
}

// service is what answers.
type service struct {
	signing, box nkeys.KeyPair
	clients      map[string]client // by token
}

func serve(out io.Writer) error {
	s, err := newService()
	if err != nil {
		return err
	}
	nc, err := nats.Connect(os.Getenv("NATS_URL"), nats.UserCredentials(os.Getenv("NATS_CREDS")), nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	// In a queue group, several of these can run.
	if _, err := nc.QueueSubscribe("$SYS.REQ.USER.AUTH", "callout", s.answer); err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "answering brokers")
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	<-told
	return nil
}

func newService() (*service, error) {
	s := &service{}
	for file, pair := range map[string]*nkeys.KeyPair{"signing.nk": &s.signing, "xkey.nk": &s.box} {
		seed, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		read := nkeys.FromSeed
		if file == "xkey.nk" {
			read = nkeys.FromCurveSeed
		}
		if *pair, err = read(seed); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile("tokens.json")
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal(text, &s.clients)
}

// answer says who a client is. What it cannot decrypt or read is not from a broker.
func (s *service) answer(m *nats.Msg) {
	sender := m.Header.Get("Nats-Server-Xkey")
	opened, err := s.box.Open(m.Data, sender)
	if err != nil {
		return
	}
	request, err := jwt.DecodeAuthorizationRequestClaims(string(opened))
	if err != nil {
		return
	}
	response := jwt.NewAuthorizationResponseClaims(request.UserNkey)
	response.Audience = request.Server.ID
	if response.Jwt, err = s.user(request); err != nil {
		response.Error = err.Error() // the account's people read it, the client does not
	}
	token, err := response.Encode(s.signing)
	if err != nil {
		return
	}
	sealed, err := s.box.Seal([]byte(token), sender)
	if err != nil {
		return
	}
	_ = m.Respond(sealed) // the broker waits two seconds, and then no more
}

// user is the JWT of the user that a client becomes.
func (s *service) user(request *jwt.AuthorizationRequestClaims) (string, error) {
	said := request.ConnectOptions
	known, ok := s.clients[said.Token]
	if !ok {
		known, ok = s.clients[said.Username] // of MQTT, whose password, and so its token, is the JWT that led here
	}
	if !ok {
		return "", errors.New("nobody has this token")
	}
	user := jwt.NewUserClaims(request.UserNkey)
	user.Name, user.IssuerAccount = known.Name, request.Subject
	user.Expires = time.Now().Add(time.Hour).Unix()
	user.Pub.Allow.Add(known.Publish...)
	user.Sub.Allow.Add(known.Subscribe...)
	return user.Encode(s.signing)
}
