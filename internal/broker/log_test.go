package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
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
