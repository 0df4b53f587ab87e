package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLeadOfTheRelayIsTakenOverWhenItsReplicaIsKilled(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("takeover")
	user := c.user("device", "")
	c.inForce()
	leader := s.control
	for range 3 {
		if !leads(leader) {
			t.Fatal("the only replica does not lead")
		}
		next, url := s.startReplica()
		c.url = url
		lost := c.issue(user.ID)
		gone := mustConnect(t, s.nats, lost.file)

		leader.kill()
		killed := time.Now()
		c.revokeAndWait(lost.ID, "PT30S").wantConfirmed(t, 1)
		wantThrownOut(t, gone)
		eventually(t, "another replica to lead", func() error {
			if !leads(next) {
				return errors.New("it does not")
			}
			return nil
		})
		took := time.Since(killed)
		if t.Logf("taken over, and a revocation in force, after %v", took); took > 2*time.Second {
			t.Errorf("that took %v, want less than 2 s", took)
		}
		leader = next
	}
}

func leads(p *process) bool {
	return strings.Contains(p.output(), "this replica leads the feed's relay")
}
