package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// buildCallout builds docs/callout in a folder.
func buildCallout(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "callout"), "../../docs/callout")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build docs/callout: %v\n%s", err, out)
	}
	return dir
}

// The commands of docs/auth-callout.md, as they stand there.
func TestCommandsOfTheAuthCalloutPageWork(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	typed(t, commands(t, "docs/auth-callout.md"), buildCallout(t), "", s.addresses(),
		[]string{"answering brokers", "\nlet in\n", "\nrefused\n", `"reason":"callout_refused"`, "nobody has this token"})
}

func TestAccountLeavesLoginsToAServiceAndTakesThemBack(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c, dir := s.signUp("delegating"), buildCallout(t)
	keys := exec.CommandContext(t.Context(), "./callout", "keys")
	keys.Dir = dir
	out, err := keys.Output()
	check(t, err)
	public := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, key, _ := strings.Cut(strings.TrimSpace(line), "=")
		public[name] = key
	}
	service, front, plain := c.user("service", ""), c.user("front-door", ""), c.user("plain", "")
	before := mustConnect(t, s.nats, c.issue(plain.ID).file)
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{
		"signing_keys": []map[string]any{{"public_key": public["SIGNING"]}},
		"auth_callout": map[string]any{"auth_users": []string{service.ID}, "xkey": public["XKEY"]},
	}, nil)
	c.inForce()
	wantClosed(t, before.Conn) // who is not spared has to come by the service

	creds := c.issue(service.ID) // which makes it one of the spared
	c.inForce()
	door := c.issue(front.ID)
	dial := func(token string) (*nats.Conn, error) {
		return nats.Connect(s.nats, nats.UserCredentials(door.file), nats.Token(token), nats.NoReconnect(), nats.Timeout(patience))
	}
	if nc, err := dial("token-of-till-7"); !errors.Is(err, nats.ErrAuthorization) {
		nc.Close()
		t.Fatalf("without a service: %v", err)
	}
	check(t, os.WriteFile(filepath.Join(dir, "tokens.json"), []byte(`{"token-of-till-7": {"name": "till-7", "publish": ["readings.>"]}}`), 0o600))
	answering := exec.CommandContext(t.Context(), "./callout", "serve")
	answering.Dir, answering.Env = dir, append(os.Environ(), "NATS_URL="+s.nats, "NATS_CREDS="+creds.file)
	check(t, answering.Start())
	t.Cleanup(func() { answering.Process.Kill(); _ = answering.Wait() })
	var till *nats.Conn
	eventually(t, "the service to answer", func() (err error) { till, err = dial("token-of-till-7"); return err })
	defer till.Close()
	if nc, err := dial("token-of-nobody"); err == nil {
		nc.Close()
		t.Error("a token that the service does not know lets in")
	}
	s.control.kill() // which has no part in it
	again, err := dial("token-of-till-7")
	check(t, err)
	defer again.Close()
	s.startControl()
	for _, reason := range []string{"callout_timeout", "callout_refused"} {
		eventually(t, reason+" to be told", func() error {
			for _, r := range c.refusals() {
				if r.Reason == reason && r.User != nil && *r.User == "front-door" {
					return nil
				}
			}
			return fmt.Errorf("refusals = %+v", c.refusals())
		})
	}

	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"auth_callout": nil}, nil)
	start := time.Now()
	wantClosed(t, till)
	wantClosed(t, again)
	t.Logf("closed %s after the account took its logins back", time.Since(start).Round(time.Millisecond))
	c.inForce()
	nc, err := dial("any")
	check(t, err)
	nc.Close()
}

func wantClosed(t *testing.T, nc *nats.Conn) {
	t.Helper()
	closed := nc.StatusChanged(nats.CLOSED)
	if nc.IsClosed() {
		return
	}
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatalf("the connection stays: %v", nc.Status())
	}
}
