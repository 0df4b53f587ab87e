package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
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

// Traced CONNECT lines hold the client's whole JWT.
var jwtPattern = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?`)

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
	return strings.TrimSpace(line)
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
