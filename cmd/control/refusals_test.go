package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

type refusedLogin struct {
	Reason         string
	Explanation    string
	Detail         string
	ConnectionType string `json:"connection_type"`
	Address        string
	User           *string
	CredentialID   *string `json:"credential_id"`
	DeviceLoginID  *string `json:"device_login_id"`
	Count          int64
	FirstAt        time.Time `json:"first_at"`
	LastAt         time.Time `json:"last_at"`
}

func (c *customer) refusals() []refusedLogin {
	c.t.Helper()
	var page struct{ Items []refusedLogin }
	c.must("GET", "/v1/accounts/"+c.account+"/refusals", nil, &page)
	return page.Items
}

func TestTenantIsToldWhyAClientWasNotLetIn(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c, other := s.signUp("curious"), s.signUp("neighbour")
	began := time.Now()
	lost := c.issue(c.user("device", "").ID)
	mustConnect(t, s.nats, lost.file)
	c.revokeAndWait(lost.ID, "PT30S")
	wantRefused(t, s.nats, lost.file)
	wantRefused(t, s.ws, lost.file)

	eventually(t, "both refusals to be told", func() error {
		if got := c.refusals(); len(got) != 2 {
			return fmt.Errorf("refusals = %+v", got)
		}
		return nil
	})
	var over []string
	for _, r := range c.refusals() {
		over = append(over, r.ConnectionType)
		if r.Reason != "credential_revoked" || r.Explanation == "" || r.Address != "127.0.0.1" || r.Count < 1 ||
			r.User == nil || *r.User != "device" || r.CredentialID == nil || *r.CredentialID != lost.ID {
			t.Errorf("refusal = %+v, want the lost credential's", r)
		}
		if r.FirstAt.Before(began) || r.LastAt.Before(r.FirstAt) || r.LastAt.After(time.Now()) {
			t.Errorf("from %s to %s, want times since %s", r.FirstAt, r.LastAt, began)
		}
	}
	slices.Sort(over)
	if diff := cmp.Diff([]string{"STANDARD", "WEBSOCKET"}, over); diff != "" {
		t.Errorf("over (-want +got):\n%s", diff)
	}
	if got := other.refusals(); len(got) != 0 {
		t.Errorf("another tenant sees %+v", got)
	}
}

// What brokers are told while control is away, control is told later.
func TestRefusalsWaitForControl(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("patient")
	lost := c.issue(c.user("device", "").ID)
	c.revokeAndWait(lost.ID, "PT30S")
	s.control.kill()
	wantRefused(t, s.nats, lost.file)
	s.startControl()
	s.awaitReady()
	eventually(t, "the refusal to be told", func() error {
		if got := c.refusals(); len(got) != 1 || got[0].Reason != "credential_revoked" {
			return fmt.Errorf("refusals = %+v", got)
		}
		return nil
	})
}

func TestEveryReasonIsExplained(t *testing.T) {
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
