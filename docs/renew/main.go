// Command renew is an example: a NATS client whose creds expire, and that renews
// them by itself, with no other secret than the seed in its creds file.
//
//	renew -control https://control.example.com -credential crd_… -creds device.creds -server nats://broker.example.com
//
// After four fifths of their life it asks control for a nonce, signs it with the
// seed, writes the JWT that it gets for that into the file, and reconnects,
// which reads the file. Subscriptions outlive that.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

func main() {
	control := flag.String("control", "http://127.0.0.1:8080", "where Signalbox's API is")
	credential := flag.String("credential", "", "the credential's id, crd_…")
	creds := flag.String("creds", "", "its creds file, which is written anew")
	server := flag.String("server", nats.DefaultURL, "where to connect")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *control+"/v1/credentials/"+*credential, *creds, *server); err != nil {
		log.Fatal(err)
	}
}

// run answers requests on "time" until ctx ends, however often its creds expire meanwhile.
func run(ctx context.Context, credential, creds, server string) error {
	nc, err := nats.Connect(server, nats.UserCredentials(creds), nats.Name("renew"), nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.Subscribe("time", func(m *nats.Msg) { m.Respond([]byte(time.Now().Format(time.RFC3339))) }); err != nil {
		return err
	}
	for {
		due, err := renewalDue(creds)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(due)):
		}
		if err := renew(ctx, credential, creds); err != nil {
			log.Print("cannot renew yet: ", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second): // a program of yours would wait longer, and longer each time
			}
			continue
		}
		if err := nc.ForceReconnect(); err != nil {
			return err
		}
		log.Print("renewed")
	}
}

// renewalDue is when four fifths of the life of the JWT in the file are over.
func renewalDue(creds string) (time.Time, error) {
	file, err := os.ReadFile(creds)
	if err != nil {
		return time.Time{}, err
	}
	token, err := nkeys.ParseDecoratedJWT(file)
	if err != nil {
		return time.Time{}, err
	}
	user, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return time.Time{}, err
	}
	if user.Expires == 0 {
		return time.Time{}, fmt.Errorf("%s never expires", creds)
	}
	issued, expires := time.Unix(user.IssuedAt, 0), time.Unix(user.Expires, 0)
	return issued.Add(expires.Sub(issued) * 4 / 5), nil
}

// renew puts a new JWT for the same key into the file.
func renew(ctx context.Context, credential, creds string) error {
	file, err := os.ReadFile(creds)
	if err != nil {
		return err
	}
	key, err := nkeys.ParseDecoratedNKey(file)
	if err != nil {
		return err
	}
	defer key.Wipe()
	var challenge struct{ Nonce string }
	if err := post(ctx, credential+"/renewal-challenge", nil, &challenge); err != nil {
		return err
	}
	signature, err := key.Sign([]byte(challenge.Nonce))
	if err != nil {
		return err
	}
	proof := map[string]string{"nonce": challenge.Nonce, "signature": base64.RawURLEncoding.EncodeToString(signature)}
	var renewed struct{ JWT string }
	if err := post(ctx, credential+"/renew", proof, &renewed); err != nil {
		return err
	}
	seed, err := key.Seed()
	if err != nil {
		return err
	}
	text, err := jwt.FormatUserConfig(renewed.JWT, seed)
	if err != nil {
		return err
	}
	if err := os.WriteFile(creds+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(creds+".new", creds) // whole, or not at all
}

func post(ctx context.Context, url string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		json.NewDecoder(res.Body).Decode(&problem)
		return fmt.Errorf("%s: %s", res.Status, problem.Detail)
	}
	return json.NewDecoder(res.Body).Decode(out)
}
