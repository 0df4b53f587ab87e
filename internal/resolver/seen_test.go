package resolver

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLoginsWaitToBeToldWithinBounds(t *testing.T) {
	t.Parallel()
	s := newSeen()
	at := time.Now()
	for account := range 8 {
		for user := range maxSeenEach + 1 {
			s.note(Sighting{Account: fmt.Sprint("A", account), User: fmt.Sprint("U", user), At: at})
		}
	}
	if len(s.last) != maxSeen || s.account["A0"] != maxSeenEach {
		t.Fatalf("%d logins wait, %d of A0; want %d and %d", len(s.last), s.account["A0"], maxSeen, maxSeenEach)
	}
	s.note(Sighting{Account: "A0", User: "U0", Address: "later", At: at.Add(time.Second)})
	s.note(Sighting{Account: "A0", User: "U0", Address: "earlier", At: at.Add(-time.Second)})
	told := map[identity]Sighting{}
	for {
		taken := s.take()
		if len(taken) == 0 {
			break
		}
		if len(taken) > seenAtOnce {
			t.Fatalf("took %d at once", len(taken))
		}
		for _, l := range taken {
			told[identity{l.Account, l.User}] = l
		}
	}
	if len(told) != maxSeen || told[identity{"A0", "U0"}].Address != "later" {
		t.Errorf("told %d, the one that came again from %q", len(told), told[identity{"A0", "U0"}].Address)
	}
	if len(s.last) != 0 || len(s.account) != 0 {
		t.Errorf("%d logins and %d accounts are left", len(s.last), len(s.account))
	}
}

func TestWhatAClientSaysOfItselfIsBoundedAndOnOneLine(t *testing.T) {
	t.Parallel()
	s := newSeen()
	s.note(Sighting{Account: "A", User: "U", Name: strings.Repeat("n", 4000), Language: "go\x1b[31m\n", Version: " 1.55.0\xff\x00 "})
	got := s.take()[0].client()
	if want := "go[31m 1.55.0 " + strings.Repeat("n", maxSeenWords); got != want {
		t.Errorf("client = %q, want %q", got, want)
	}
	if got := (Sighting{}).client(); got != "" {
		t.Errorf("of a client that says nothing: %q", got)
	}
}

// BenchmarkNoteSeen is what a login pays for being seen, from as many goroutines as there are cores.
func BenchmarkNoteSeen(b *testing.B) {
	s := newSeen()
	logins := make([]Sighting, 3000) // as many as log in between two reports
	for i := range logins {
		logins[i] = Sighting{Account: "ADRW6AWEXCCDH4SHTE6F5M4LPFAPQP2KBQNNGMNGCXEOUJB5SZFAQUDG", User: fmt.Sprintf("U%055d", i),
			ConnectionType: "STANDARD", Address: "192.0.2.7", Name: "dispatcher", Language: "go", Version: "1.55.0", At: time.Now()}
	}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			s.note(logins[i%len(logins)])
			if i%len(logins) == 0 {
				for len(s.take()) > 0 {
				}
			}
		}
	})
}
