package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
)

func TestNATSLogHoldsNoJWT(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newNATSLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	const token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJYIn0.c2lnbmF0dXJl-_"
	l.Tracef("<<- [CONNECT {\"jwt\":%q,\"sig\":\"s\",\"name\":\"app\"}]", token)
	l.Errorf("cannot use %s here", token)
	l.Fatalf("nor %s", token)
	for _, secret := range strings.Split(token, ".") {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), "app") || !strings.Contains(out.String(), "[jwt]") {
		t.Errorf("the rest of the line is lost:\n%s", out.String())
	}
	if err := l.fatal(); err == nil || err.Error() != "nor [jwt]" {
		t.Errorf("fatal = %v, want the line", err)
	}
}

// A device's secret, and a seed, where a user name should be.
func TestNATSLogHoldsNoSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newNATSLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	seed, err := claims.NewUserSeed()
	if err != nil {
		t.Fatal(err)
	}
	account, err := claims.NewAccountSeed()
	if err != nil {
		t.Fatal(err)
	}
	key, err := account.AccountKey()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := claims.NewLoginSecret(key)
	if err != nil {
		t.Fatal(err)
	}
	l.Errorf("authentication error - User %q", secret.Reveal())
	l.Errorf("authentication error - User %q", string(seed.Reveal()))
	l.Tracef("<<- [CONNECT {\"user\":%q,\"name\":%q}]", secret.Reveal(), key)
	if text := out.String(); strings.Contains(text, secret.Reveal()[10:]) || strings.Contains(text, string(seed.Reveal()[2:])) {
		t.Errorf("the log holds a secret:\n%s", text)
	}
	if !strings.Contains(out.String(), string(key)) || strings.Count(out.String(), "[secret]") != 2 || strings.Count(out.String(), "[seed]") != 1 {
		t.Errorf("the rest of the lines is lost:\n%s", out.String())
	}
}
