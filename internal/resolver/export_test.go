package resolver

import (
	"maps"
	"os"
	"slices"
	"time"
)

// HoldLoad makes the account look as if nats-server had asked for it and were
// still loading it. Release lets that go on, from what the store then holds or
// the token given.
func (r *Resolver) HoldLoad(account string) (release func(token string)) {
	l, _ := r.begin(account)
	return func(token string) {
		l.token = token
		close(l.fetched)
	}
}

// Tidy makes a checkpoint and cleans the log now.
func (s *Store) Tidy() error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.checkpoint(); err != nil {
		return err
	}
	return s.clean()
}

// SegmentsOf makes the log's files that small.
func (s *Store) SegmentsOf(bytes int64) { s.segment = bytes }

// FailWrites makes each write fail half-way, until it is given nil.
func (s *Store) FailWrites(err error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.writeAt = writeAll
	if err != nil {
		s.writeAt = func(f *os.File, b []byte, offset int64) error {
			_, _ = f.WriteAt(b[:len(b)/2], offset)
			return err
		}
	}
}

// Pin and Unpin are what the resolver does with accounts that the server loads.
func (s *Store) Pin(account string)   { s.pin(account) }
func (s *Store) Unpin(account string) { s.unpin(account) }

// Missing are those whom a link that has long been connected counts as not
// reached when members of its cluster were those, and are these now, and nobody has answered.
func Missing(were, are map[string]string) []string {
	l := &link{Membership: Membership{Brokers: were}, state: LinkStatus{Connected: true, Since: time.Now().Add(-time.Hour)}}
	l.move(Membership{Brokers: are})
	return slices.Sorted(maps.Keys(l.missing()))
}
