package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/signalbox-io/signalbox/internal/fault"
)

func TestKindIsFoundThroughWrapping(t *testing.T) {
	err := fmt.Errorf("create account: %w", fault.New(fault.NotFound, "no account %q", "acc_1"))
	if !errors.Is(err, fault.NotFound) {
		t.Errorf("errors.Is(%v, NotFound) = false, want true", err)
	}
	if errors.Is(err, fault.Conflict) {
		t.Errorf("errors.Is(%v, Conflict) = true, want false", err)
	}
}

func TestAtKeepsThePointerThatIsThere(t *testing.T) {
	bare := fault.New(fault.Invalid, "too long")
	if got := fault.All(fault.At("/name", bare))[0].Pointer; got != "/name" {
		t.Errorf("pointer = %q, want /name", got)
	}
	if bare.Pointer != "" {
		t.Errorf("At changed the error it was given: pointer = %q", bare.Pointer)
	}
	if got := fault.All(fault.At("/other", fault.Field("/name", "too long")))[0].Pointer; got != "/name" {
		t.Errorf("pointer = %q, want /name", got)
	}
}

func TestAllLooksThroughJoinedErrors(t *testing.T) {
	err := fmt.Errorf("check: %w", errors.Join(fault.Field("/a", "one"), errors.New("not ours"), fault.Field("/b", "two")))
	var got []string
	for _, e := range fault.All(err) {
		got = append(got, e.Pointer)
	}
	if fmt.Sprint(got) != "[/a /b]" {
		t.Errorf("pointers = %v, want [/a /b]", got)
	}
}
