package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/api"
)

// The programs in JavaScript on the pages of the ways in do what is told of them,
// against make run: those of pages in Chromium, MQTT.js in Node.
func TestProgramsOfTheWaysInWork(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	s := &stack{t: t, url: "http://127.0.0.1:" + d.ports["HTTP"]}
	c := s.signUp("ada")
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "any", "bearer": true}, &role)
	p := c.badge(c.account, role.ID)
	c.inForce()
	var e api.Endpoints
	c.must("GET", "/v1/accounts/"+c.account+"/endpoints", nil, &e)
	if len(e.Wss) == 0 || e.CaPem == nil {
		t.Fatalf("endpoints = %+v", e)
	}
	hub := mustConnect(t, e.Nats[0], p.file)
	hears := func(t *testing.T, subject string) func(want string) {
		t.Helper()
		sub, err := hub.SubscribeSync(subject)
		check(t, err)
		check(t, hub.Flush())
		return func(want string) {
			t.Helper()
			if m, err := sub.NextMsg(patience); err != nil || string(m.Data) != want {
				t.Errorf("heard %+v, %v; want %q", m, err, want)
			}
		}
	}

	t.Run("a page with creds", func(t *testing.T) {
		hello := hears(t, "hello")
		code := strings.Replace(fencedBlock(t, "docs/websocket.md", "js"), "wss://nats.example.com", e.Wss[0], 1)
		_, end := s.page(t, c, fmt.Sprintf("const creds = %q;\n%s", p.creds, code))
		hello("from a page")
		end()
	})
	t.Run("a page without a secret", func(t *testing.T) {
		hello := hears(t, "hello")
		code := fencedBlock(t, "docs/browser.md", "js")
		account := regexp.MustCompile(`acc_[a-z0-9]+`)
		title, end := s.page(t, c, account.ReplaceAllString(code, c.account))
		if want := "from a page without a secret"; title != want {
			t.Errorf("the page's title is %q, want %q", title, want)
		}
		hello("from a page without a secret")
		end()
	})
	t.Run("MQTT.js", func(t *testing.T) {
		readings := hears(t, "readings.1")
		ca := filepath.Join(t.TempDir(), "ca.pem")
		check(t, os.WriteFile(ca, []byte(*e.CaPem), 0o600))
		code := strings.Replace(fencedBlock(t, "docs/mqtt.md", "js"), "wss://nats.example.com/mqtt", e.MqttWss[0], 1)
		node := exec.CommandContext(t.Context(), "node", "--input-type=module", "--eval", fmt.Sprintf("const jwt = %q;\n%s\nawait client.endAsync();", p.jwt, code))
		node.Dir, node.Env = clientsFolder, append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca)
		if out, err := node.CombinedOutput(); err != nil {
			t.Fatalf("%v; it said:\n%s", err, out)
		}
		readings("22 kWh")
	})
}

// page runs the code in a page of control's origin, with the customer signed in, and
// answers the page's title when the code has come to its end. The page stays until end.
func (s *stack) page(t *testing.T, c *customer, code string) (title string, end func()) {
	t.Helper()
	at, err := url.Parse(s.url)
	check(t, err)
	cookies := []map[string]any{}
	for _, cookie := range c.http.Jar.Cookies(at) {
		cookies = append(cookies, map[string]any{"name": cookie.Name, "value": cookie.Value, "url": s.url})
	}
	node := exec.Command("node", "program.mjs")
	errs := &process{}
	node.Dir, node.Stderr = clientsFolder, errs
	input, err := node.StdinPipe()
	check(t, err)
	output, err := node.StdoutPipe()
	check(t, err)
	check(t, node.Start())
	check(t, json.NewEncoder(input).Encode(map[string]any{"at": s.url, "code": code, "cookies": cookies}))
	title, err = bufio.NewReader(output).ReadString('\n')
	end = func() {
		input.Close()
		if err := node.Wait(); err != nil {
			t.Errorf("the page: %v; it said:\n%s", err, errs.output())
		}
	}
	if err != nil {
		end()
		t.Fatalf("the program did not come to its end: %v", err)
	}
	return strings.TrimSpace(title), end
}
