package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Brokers say why, control says what to do about it.
func TestEveryReasonForARefusalIsExplained(t *testing.T) {
	t.Parallel()
	var reasons []string
	for _, r := range admission.Reasons {
		reasons = append(reasons, string(r))
	}
	slices.Sort(reasons)
	if diff := cmp.Diff(reasons, tenants.Explained()); diff != "" {
		t.Errorf("-reasons +explained\n%s", diff)
	}
}
