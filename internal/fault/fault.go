// Package fault names the kinds of failure a caller can act on, and carries
// them from the place that knows to the edge that answers.
//
// A [Kind] is itself an error, so errors.Is(err, fault.NotFound) reads well at
// any depth. An [Error] adds a message that is safe to show to whoever asked, a
// pointer to the input field at fault, and a cause that only the log sees.
// Whatever is not a fault is a defect or an outage of ours: the edge answers
// it with fixed text and logs the chain.
//
// The package imports nothing of ours; every other package may import it.
package fault

import (
	"errors"
	"fmt"
)

// Kind is a class of failure. Its text is for logs, not for people.
type Kind string

const (
	Invalid         Kind = "invalid"         // the input breaks a rule; Pointer says which field
	Unauthenticated Kind = "unauthenticated" // we do not know who is calling
	Forbidden       Kind = "forbidden"       // we know, and they may see it but not do it
	NotFound        Kind = "not found"       // absent, or another tenant's, which is the same thing
	Conflict        Kind = "conflict"        // it clashes with something that exists
	Stale           Kind = "stale"           // If-Match named an older version
	OverLimit       Kind = "over limit"      // the plan allows no more
	Throttled       Kind = "throttled"       // too many tries; waiting helps
	Unavailable     Kind = "unavailable"     // a part we need is away; trying again may work
)

func (k Kind) Error() string { return string(k) }

// Error is a failure with its kind and words for whoever asked.
type Error struct {
	Kind    Kind
	Message string // one sentence, safe to show, never holds a secret
	Pointer string // RFC 6901 pointer into the body, or "?name" for a query parameter; empty when no single field is at fault
	Cause   error  // for the log only
}

func (e *Error) Error() string {
	s := e.Message
	if e.Pointer != "" {
		s = e.Pointer + ": " + s
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Is makes errors.Is(err, fault.NotFound) true for an Error of that kind.
func (e *Error) Is(target error) bool { return target == error(e.Kind) }

func (e *Error) Unwrap() error { return e.Cause }

// New returns an Error of the kind with a message made as by fmt.Sprintf.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Field returns an Invalid error about one input field.
func Field(pointer, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Pointer: pointer, Message: fmt.Sprintf(format, args...)}
}

// At puts a pointer on err if it is an Error without one, so that a rule which
// cannot know where its input came from still ends up on the right field.
func At(pointer string, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Pointer != "" {
		return err
	}
	at := *e
	at.Pointer = pointer
	return &at
}

// All returns every Error in err's tree, in order, looking through errors.Join.
func All(err error) []*Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok {
		return []*Error{e}
	}
	switch u := err.(type) {
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, e := range u.Unwrap() {
			all = append(all, All(e)...)
		}
		return all
	case interface{ Unwrap() error }:
		return All(u.Unwrap())
	}
	return nil
}
