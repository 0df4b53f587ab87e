package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

// credential is what these tests look at.
type credential struct {
	ID        string
	Status    string
	Renewals  int
	ExpiresAt *time.Time `json:"expires_at"`
	LastSeen  *struct {
		At             time.Time
		Address        string
		ConnectionType string `json:"connection_type"`
		Client         string
		Broker         string
	} `json:"last_seen"`
}

func (c *customer) credential(id string) (got credential) {
	c.t.Helper()
	c.must("GET", "/v1/credentials/"+id, nil, &got)
	return got
}

func TestCredentialShowsWhereItWasUsedLast(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("seen")
	c.inForce()
	used := c.issue(c.user("device", "").ID)
	if got := c.credential(used.ID); got.LastSeen != nil {
		t.Errorf("before its first login: %+v", got.LastSeen)
	}
	began := time.Now()
	mustConnect(t, s.nats, used.file)
	eventually(t, "the login to be told", func() error {
		if c.credential(used.ID).LastSeen == nil {
			return errors.New("not seen")
		}
		return nil
	})
	got := c.credential(used.ID).LastSeen
	if got.At.Before(began.Add(-time.Second)) || got.At.After(time.Now()) {
		t.Errorf("seen at %s, logged in after %s", got.At, began)
	}
	if got.Address != "127.0.0.1" || got.ConnectionType != "STANDARD" || got.Broker != "one" || got.Client == "" {
		t.Errorf("last seen = %+v", got)
	}
	mustConnect(t, s.ws, used.file)
	eventually(t, "the later login to be told", func() error {
		if over := c.credential(used.ID).LastSeen.ConnectionType; over != "WEBSOCKET" {
			return fmt.Errorf("seen over %s", over)
		}
		return nil
	})
}

// bearer issues a bearer credential in a role of its own; the answer is its JWT.
func (c *customer) bearer(name string) (user resource, jwt string) {
	c.t.Helper()
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": name, "bearer": true, "connection_types": []string{"MQTT", "WEBSOCKET"}}, &role)
	user = c.user(name, role.ID)
	var out struct{ JWT string }
	c.must("POST", "/v1/users/"+user.ID+"/credentials", map[string]any{}, &out)
	c.inForce()
	return user, out.JWT
}

func (s *stack) connectMQTT(jwt string) (mqtt.Client, error) {
	o := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:" + s.ports[3]).SetClientID("bearer").SetUsername("jwt").SetPassword(jwt).
		SetAutoReconnect(false).SetConnectTimeout(patience)
	client := mqtt.NewClient(o)
	token := client.Connect()
	if !token.WaitTimeout(patience) {
		return client, errors.New("no answer")
	}
	return client, token.Error()
}

// connectBearer connects with a JWT and no seed.
func connectBearer(url, jwt string) (*nats.Conn, error) {
	return nats.Connect(url, nats.NoReconnect(), nats.Timeout(patience),
		nats.UserJWT(func() (string, error) { return jwt, nil }, func([]byte) ([]byte, error) { return nil, nil }))
}

func TestBearerJWTWorksOverMQTTAndWebSocketUntilTheAccountForbidsIt(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("bearers")
	user, jwt := c.bearer("browser")

	ws, err := connectBearer(s.ws, jwt)
	if err != nil {
		t.Fatalf("over WebSocket: %v", err)
	}
	defer ws.Close()
	thing, err := s.connectMQTT(jwt)
	if err != nil {
		t.Fatalf("over MQTT: %v", err)
	}
	defer thing.Disconnect(0)
	heard, err := ws.SubscribeSync("sensors.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.Flush(); err != nil {
		t.Fatal(err)
	}
	if token := thing.Publish("sensors/hall", 0, false, "21"); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("publish over MQTT: %v", token.Error())
	}
	if m, err := heard.NextMsg(patience); err != nil || m.Subject != "sensors.hall" || string(m.Data) != "21" {
		t.Errorf("over WebSocket: %+v, %v", m, err)
	}
	if nc, err := connectBearer(s.nats, jwt); err == nil {
		nc.Close()
		t.Error("the role allows no plain connection, but lets one in")
	}

	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"limits": map[string]any{"bearer": false}}, nil)
	c.inForce()
	eventually(t, "both to be disconnected", func() error {
		if !ws.IsClosed() || thing.IsConnected() {
			return fmt.Errorf("WebSocket closed: %t, MQTT connected: %t", ws.IsClosed(), thing.IsConnected())
		}
		return nil
	})
	if _, err := s.connectMQTT(jwt); err == nil {
		t.Error("MQTT lets a bearer in that the account forbids")
	}
	if nc, err := connectBearer(s.ws, jwt); err == nil {
		nc.Close()
		t.Error("WebSocket lets a bearer in that the account forbids")
	}
	if status, body, err := c.call("POST", "/v1/users/"+user.ID+"/credentials", map[string]any{}); err != nil || status != http.StatusConflict {
		t.Errorf("issuing another: %d %s, %v", status, body, err)
	}
	eventually(t, "the refusals to be told", func() error {
		over := map[string]bool{}
		for _, r := range c.refusals() {
			if r.Reason == "bearer_not_allowed" {
				over[r.ConnectionType] = true
			}
		}
		if diff := cmp.Diff(map[string]bool{"MQTT": true, "WEBSOCKET": true}, over); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// The example client outlives its first JWT, and is closed for good when it is revoked.
func TestClientRenewsItsOwnCredsAndReconnects(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("renewers")
	c.inForce()
	example := filepath.Join(t.TempDir(), "renew")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", example, "../../docs/renew").CombinedOutput(); err != nil {
		t.Fatalf("build the example: %v\n%s", err, out)
	}
	var out struct {
		Credential credential
		Creds      string
	}
	c.must("POST", "/v1/users/"+c.user("device", "").ID+"/credentials", map[string]any{"expires_in": "PT4S"}, &out)
	file := filepath.Join(t.TempDir(), "device.creds")
	if err := os.WriteFile(file, []byte(out.Creds), 0o600); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(t.TempDir(), "first.creds")
	if err := os.WriteFile(first, []byte(out.Creds), 0o600); err != nil {
		t.Fatal(err)
	}
	client := exec.CommandContext(t.Context(), example, "-control", s.url, "-credential", out.Credential.ID, "-creds", file, "-server", s.nats)
	client.Stderr = os.Stderr
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Process.Kill(); client.Wait() })
	asker := mustConnect(t, s.nats, c.issue(c.user("asker", "").ID).file)
	eventually(t, "two renewals", func() error {
		if n := c.credential(out.Credential.ID).Renewals; n < 2 {
			return fmt.Errorf("there were %d", n)
		}
		return nil
	})
	wantRefused(t, s.nats, first) // has expired
	eventually(t, "an answer with renewed creds", func() error {
		_, err := asker.Request("time", nil, time.Second)
		return err
	})
	if got := c.credential(out.Credential.ID); !got.ExpiresAt.After(*out.Credential.ExpiresAt) {
		t.Errorf("it expires at %s, as before", got.ExpiresAt)
	}
	eventually(t, "people to be warned", func() error { // of what lives for seconds at once
		var events struct {
			Items []struct{ Type, Subject string }
		}
		c.must("GET", "/v1/tenants/"+c.tenant+"/events", nil, &events)
		for _, e := range events.Items {
			if e.Type == "credential.expiring" && e.Subject == out.Credential.ID {
				return nil
			}
		}
		return fmt.Errorf("events = %+v", events.Items)
	})
	c.revokeAndWait(out.Credential.ID, "PT30S")
	if _, err := asker.Request("time", nil, time.Second); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("revoked, it answers %v", err)
	}
}
