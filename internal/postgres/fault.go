package postgres

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Constraint returns the name of the constraint that the statement behind err
// violated, or "".
func Constraint(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.ConstraintName
	}
	return ""
}

// Fault turns the violation of a constraint into the fault that stands for it
// in the map, with err as its cause, and the loss or lack of a connection into a
// [fault.Unavailable]. Every other error, nil and faults included, comes back
// as it is. The map may be nil.
func Fault(err error, byConstraint map[string]*fault.Error) error {
	if err == nil || len(fault.All(err)) > 0 {
		return err
	}
	if known, ok := byConstraint[Constraint(err)]; ok {
		violation := *known
		violation.Cause = err
		return &violation
	}
	if away(err) {
		return &fault.Error{Kind: fault.Unavailable, Message: "The database does not answer. Try again in a moment.", Cause: err}
	}
	return err
}

// away says whether err means that the database is out of reach, restarting,
// or has no connection to spare.
func away(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return awayCode(e.Code)
	}
	if errors.Is(err, context.Canceled) {
		return false // the caller went, not the database
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func awayCode(code string) bool {
	if strings.HasPrefix(code, "08") { // connection exceptions
		return true
	}
	switch code {
	case pgerrcode.AdminShutdown, pgerrcode.CrashShutdown, pgerrcode.CannotConnectNow, pgerrcode.TooManyConnections,
		pgerrcode.ReadOnlySQLTransaction: // the last: a primary that has become a standby
		return true
	}
	return false
}

// collided says whether the database gave a transaction up because of another
// one, so that the same may succeed next time.
func collided(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == pgerrcode.SerializationFailure || e.Code == pgerrcode.DeadlockDetected)
}

// backOff waits, longer after each attempt and by chance, so that two
// transactions that collided do not do so again in step.
func backOff(ctx context.Context, attempt int) error {
	limit := 10 * time.Millisecond << attempt
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(rand.N(limit)):
		return nil
	}
}
