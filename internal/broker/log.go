package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// natsLogger writes nats-server's lines to slog and remembers the first fatal
// one, after which nats-server's own would end the process.
type natsLogger struct {
	log *slog.Logger

	mu    sync.Mutex
	first error
}

func newNATSLogger(log *slog.Logger) *natsLogger {
	return &natsLogger{log: log.With("from", "nats-server")}
}

// Traced CONNECT lines hold the client's whole JWT, and errors the user name, where
// people put what should be somewhere else.
var (
	jwtPattern    = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?`)
	secretPattern = regexp.MustCompile(claims.LoginSecretPrefix + `[A-Za-z0-9_-]+`)
	seedPattern   = regexp.MustCompile(`\bS[UAO][A-Z2-7]{56}\b`)
)

func (l *natsLogger) write(level slog.Level, format string, v []any) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	l.log.Log(context.Background(), level, clean(fmt.Sprintf(format, v...)))
}

func clean(line string) string {
	if strings.Contains(line, "eyJ") {
		line = jwtPattern.ReplaceAllString(line, "[jwt]")
	}
	if strings.Contains(line, claims.LoginSecretPrefix) {
		line = secretPattern.ReplaceAllString(line, "[secret]")
	}
	return strings.TrimSpace(seedPattern.ReplaceAllString(line, "[seed]"))
}

func (l *natsLogger) Noticef(format string, v ...any) { l.write(slog.LevelInfo, format, v) }
func (l *natsLogger) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l *natsLogger) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l *natsLogger) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *natsLogger) Tracef(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }

func (l *natsLogger) Fatalf(format string, v ...any) {
	l.write(slog.LevelError, format, v)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = errors.New(clean(fmt.Sprintf(format, v...)))
	}
}

func (l *natsLogger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}
