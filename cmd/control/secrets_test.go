package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
)

// What control and a broker write, the broker tracing every line of the protocol,
// has no secret of who logged in, or tried to, by any of the ways.
func TestLogsHoldNoSecretsOfThoseWhoLogIn(t *testing.T) {
	t.Parallel()
	p := startIdentityProvider(t)
	s := startStackOn(t, func(s *stack) string {
		s.env = append(s.env, "SIGNALBOX_ISSUERS_ANYWHERE=true")
		s.forBroker = []string{"SIGNALBOX_LOG_LEVEL=debug"}
		return fmt.Sprintf("server_name: one\nlisten: 127.0.0.1:%s\ntrace: true\ndebug: true\nwebsocket { listen: 127.0.0.1:%s, no_tls: true }\n"+
			"mqtt { listen: 127.0.0.1:%s }\njetstream { store_dir: %q, max_file_store: 1TB, max_memory_store: 16GB }\n",
			s.ports[1], s.ports[2], s.ports[3], filepath.Join(s.dir, "jetstream"))
	})
	c := s.signUp("discreet")
	c.takesTokens(p)
	account := c.publicKey()
	role := c.role("bearing", map[string]any{"bearer": true})
	user := c.user("device", role.ID)
	secrets := map[string]string{}
	login := func(name, kind string) string {
		var made struct{ Secret string }
		c.must("POST", "/v1/users/"+user.ID+"/device-logins", map[string]any{"kind": kind}, &made)
		secrets[name] = made.Secret
		return made.Secret
	}
	password, token := login("password", "password"), login("token", "token")
	wrong := password[:len(password)-20] + strings.Repeat("A", 20)
	secrets["wrong secret"] = wrong
	id := p.token(nil)
	refused := p.token(func(said map[string]any) { said["sub"] = "nobody" })
	secrets["token of the issuer"], secrets["token that is refused"] = id, refused
	var exchanged struct{ Creds string }
	c.must("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": id}, &exchanged)
	status, _, err := c.call("POST", "/v1/accounts/"+c.account+"/oidc-exchange", map[string]any{"token": refused})
	if check(t, err); status != http.StatusUnauthorized {
		t.Errorf("a token that no rule takes is exchanged with %d", status)
	}
	issued := c.issue(user.ID)
	file, err := os.ReadFile(issued.file)
	check(t, err)
	for name, creds := range map[string]string{"exchanged": exchanged.Creds, "issued": string(file)} {
		for _, line := range strings.Split(creds, "\n") {
			switch {
			case strings.HasPrefix(line, "eyJ"):
				secrets[name+" JWT"] = line
			case strings.HasPrefix(line, "SU"):
				secrets[name+" seed"] = line
			}
		}
	}
	c.inForce()

	for _, at := range []string{s.nats, s.ws} {
		for name, show := range map[string]nats.Option{
			"password": nats.UserInfo("device", password), "token": nats.Token(token), "a wrong secret": nats.UserInfo("device", wrong),
			"a secret for a name": nats.UserInfo(token, "x"), "an issuer's token": nats.UserInfo(account, id), "one that is refused": nats.UserInfo(account, refused),
			"an issuer's token for a name": nats.UserInfo(id, "x"), "creds": nats.UserCredentials(issued.file), "exchanged creds": nats.UserCredentialBytes([]byte(exchanged.Creds)),
		} {
			nc, err := nats.Connect(at, show, nats.NoReconnect(), nats.Timeout(patience))
			if strings.HasSuffix(name, "name") || strings.HasPrefix(name, "a wrong") || strings.HasSuffix(name, "refused") {
				if err == nil {
					nc.Close()
					t.Errorf("%s lets in", name)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s over %s: %v", name, at, err)
				continue
			}
			nc.Close()
		}
	}
	for user, password := range map[string]string{"device": password, token: "x", account: id, id: refused, "meter": wrong, secrets["issued seed"]: secrets["issued JWT"]} {
		client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:" + s.ports[3]).SetClientID("discreet").SetUsername(user).SetPassword(password).SetConnectTimeout(patience))
		client.Connect().WaitTimeout(patience) // whether it is let in is not what is asked
		client.Disconnect(0)
	}
	eventually(t, "the refusals to be written of", func() error {
		if text := s.broker.output(); strings.Count(text, "authentication error") < 8 || !strings.Contains(text, "[secret]") || !strings.Contains(text, "CONNECT") {
			return fmt.Errorf("%d lines", strings.Count(text, "\n"))
		}
		return nil
	})
	seen := map[string]string{"control": s.control.output(), "the broker": s.broker.output()}
	for name, secret := range secrets {
		if len(secret) < 20 {
			t.Fatalf("%s is %q", name, secret)
		}
		telling := secret[len(secret)-16:] // a JWT's signature, the random part of a secret, the end of a seed
		for who, text := range seen {
			if at := strings.Index(text, telling); at >= 0 {
				t.Errorf("%s has written the %s: …%s", who, name, text[max(0, at-300):at])
			}
		}
	}
}

// What the simulator says of a device login, its client finds.
func TestSimulatorKnowsHowDeviceLoginsFare(t *testing.T) {
	t.Parallel()
	w := startLoginWorld(t)
	hour := time.Now().UTC().Add(3 * time.Hour)
	revoke := func(_ resource, l deviceLogin) { w.owner.revokeLogin(l) }
	for name, c := range map[string]struct {
		role   map[string]any
		login  map[string]any
		change func(resource, deviceLogin)
		reason string
	}{
		"as it should be": {map[string]any{}, nil, nil, ""},
		"revoked":         {map[string]any{}, nil, revoke, "credential_revoked"},
		"another network": {map[string]any{"source_networks": []string{"192.0.2.0/24"}}, nil, nil, "wrong_network"},
		"another type": {map[string]any{"connection_types": []string{"STANDARD", "WEBSOCKET"}}, nil, func(role resource, _ deviceLogin) {
			w.owner.must("PATCH", "/v1/roles/"+role.ID, map[string]any{"connection_types": []string{"WEBSOCKET"}}, nil)
		}, "connection_type"},
		"another time": {map[string]any{"time_zone": "UTC", "times": []any{map[string]any{"start": hour.Format(time.TimeOnly), "end": hour.Add(time.Hour).Format(time.TimeOnly)}}}, nil, nil, "outside_hours"},
	} {
		role := w.owner.role(strings.ReplaceAll(name, " ", "-"), c.role)
		user := w.owner.user("device-"+strings.ReplaceAll(name, " ", "-"), role.ID)
		for _, kind := range loginKinds {
			l := w.deviceLogin(w.owner, user.ID, kind, c.login)
			if c.change != nil {
				c.change(role, l)
			}
			w.owner.inForce()
			says := w.owner.simulate(map[string]any{"action": "connect", "connection_type": "STANDARD"}, map[string]any{"credential_id": l.ID})
			if says.Allowed != (c.reason == "") || !says.Allowed && *says.Reason != c.reason {
				t.Errorf("%s, %s: it says %+v", name, kind, says)
			}
			overMQTT := w.owner.simulate(map[string]any{"action": "connect", "connection_type": "MQTT"}, map[string]any{"credential_id": l.ID})
			if allowed := c.reason == "" && kind != "nkey"; overMQTT.Allowed != allowed {
				t.Errorf("%s, %s over MQTT: it says %+v", name, kind, overMQTT)
			}
			nc, err := w.dial(l)
			if (err == nil) != says.Allowed {
				t.Errorf("%s, %s: it says %t, and the client hears %v", name, kind, says.Allowed, err)
			}
			if err == nil {
				nc.Close()
			}
			if c.change != nil && name == "another type" {
				w.owner.must("PATCH", "/v1/roles/"+role.ID, map[string]any{"connection_types": []string{"STANDARD", "WEBSOCKET"}}, nil)
			}
		}
		if c.reason != "" {
			eventually(t, c.reason+" to be told", func() error {
				for _, r := range w.owner.refusals() {
					if r.Reason == c.reason {
						return nil
					}
				}
				return fmt.Errorf("refusals = %+v", w.owner.refusals())
			})
		}
	}
}
