package resolver

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// Source is what control knows, as function values so that this package needs
// no database. All may be called from several goroutines at once.
type Source struct {
	// Changes returns the accounts whose latest revision is above since, in the
	// order of their revisions, at most limit, with their current JWTs; and the
	// operator's revision, read in the same snapshot.
	Changes func(ctx context.Context, operatorID string, since Revision, limit int) (entries []Entry, head Revision, err error)
	// Lookup returns an account of the operator; errors.Is(err, fault.NotFound) when there is none.
	Lookup func(ctx context.Context, operatorID, account string) (Entry, error)
	// LookupForStock is Lookup for a server that knows nothing of pages.
	LookupForStock func(ctx context.Context, operatorID, account string) (Entry, error)
	// Page returns a page that an account of the operator names now;
	// errors.Is(err, fault.NotFound) when none does.
	Page func(ctx context.Context, operatorID string, name claims.PageName) (claims.Page, error)
	// Applied is told each receipt. Receipts repeat, and may come out of order.
	Applied func(ctx context.Context, operatorID string, r Receipt) error
	// Refused is told which logins a broker did not let in. It may be told twice.
	Refused func(ctx context.Context, operatorID, broker string, logins []RefusedLogins) error
	// Seen is told which logins a broker let in. It may be told twice.
	Seen func(ctx context.Context, operatorID, broker string, logins []SeenLogin) error
	// Disk is told what a broker says of deleted accounts on its disk, and returns
	// which of those that it found are deleted for good. It may be told twice.
	Disk func(ctx context.Context, operatorID string, r DiskReport) (deleted []string, err error)
	// Lease answers a broker that asks for places of connections, and says of what
	// all brokers are to be told; nil: it is not answered.
	Lease func(ctx context.Context, operatorID string, q lease.Ask) (lease.Answer, []lease.Recall, error)
	// Head returns the operator's revision.
	Head func(ctx context.Context, operatorID string) (Revision, error)
	// Operator returns the id of the operator's JWT, for heads; nil: they do not say it.
	Operator func(ctx context.Context, operatorID string) (id string, err error)
	// Sums are the exclusive or of [SumOf] what brokers should hold, by the first
	// four characters of the accounts' public keys.
	Sums func(ctx context.Context, operatorID string) (map[string]int64, error)
	// Held is what brokers should hold of the accounts whose keys begin so.
	Held func(ctx context.Context, operatorID string, buckets []string) ([]Held, error)
	// Pack returns the operator's accounts after that one, ordered by public key,
	// at most limit, the system account among them, for stock servers.
	Pack func(ctx context.Context, operatorID, after string, limit int) ([]Entry, error)
	// PackHash is [PackHash] of all their JWTs.
	PackHash func(ctx context.Context, operatorID string) ([sha256.Size]byte, error)
	// Brokers returns all clusters of brokers that are enrolled, and all attachments.
	Brokers func(ctx context.Context) ([]Membership, error)
	// Ledger is how far an attachment has come, as Keep was last told.
	Ledger func(ctx context.Context, attachment Membership) (Ledger, error)
	// Keep is told how far an attachment has come.
	Keep func(ctx context.Context, attachment Membership, now Ledger) error
}

// Membership is a cluster of brokers under one operator, or an attachment:
// unmodified nats-servers that form a cluster without brokers, or stand alone.
// The Hub keeps one connection to it.
type Membership struct {
	OperatorID string
	Cluster    string   // the cluster's name; of an attachment and of a broker that stands alone, something else that is unique to it
	URLs       []string // where control reaches its servers
	Attached   bool     // it is an attachment
	Roots      string   // certificate authorities, as PEM, that are trusted beside the system's
	TLSFirst   bool     // they want the TLS handshake before they say anything
	System     string   // names the system account they are in, where a cluster's brokers are not all in the same: each hears its own only
	// Brokers are its members, URL by public key: those that the connection turns
	// out not to lead to get one each. Nil: they are not looked after one by one.
	Brokers map[string]string
	// Login makes a system-account user with [ControlPermissions], or with
	// [CourierPermissions] for an attachment. It is called for each attempt to
	// connect, so that none needs to be valid for long.
	Login func() (Login, error)
}

// key names the connection. An attachment with other URLs is another: its
// servers may be. So is a cluster that is spoken to otherwise.
func (m Membership) key() string {
	if m.Attached {
		return m.OperatorID + "\x00" + m.Cluster + "\x00" + strings.Join(m.URLs, " ")
	}
	return strings.Join([]string{m.OperatorID, m.Cluster, m.System, m.Roots, strconv.FormatBool(m.TLSFirst)}, "\x00")
}

// LinkStatus is the state of one connection to a cluster of brokers.
type LinkStatus struct {
	OperatorID string
	Cluster    string
	URLs       []string
	Connected  bool
	Since      time.Time // when it became what it is now
	LastError  string    // what went wrong last; empty when nothing has since it connected
}

// Hub is control's end of the protocol, for all operators.
type Hub struct {
	source Source
	id     string // of this replica
	log    *slog.Logger
	wake   chan struct{}
	moved  chan struct{} // links came or went, or one has started

	clusters []Membership // as they were read last; known to Run's goroutine only

	recording sync.Mutex // held while a report of logins is stored

	mu    sync.Mutex
	links map[string]*link
}

// NewHub makes a hub; [Hub.Run] brings it to life.
func NewHub(source Source, log *slog.Logger) *Hub {
	return &Hub{source: source, id: rand.Text(), log: log, wake: make(chan struct{}, 1), moved: make(chan struct{}, 1), links: map[string]*link{}}
}

// Run keeps the connections, announces heads, and answers brokers until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	defer h.closeAll()
	heads := time.NewTicker(headEvery)
	defer heads.Stop()
	refresh := time.NewTicker(refreshEvery)
	defer refresh.Stop()
	h.refresh(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
			h.refresh(ctx)
		case <-refresh.C: // another replica may have enrolled a broker
			h.refresh(ctx)
		case <-heads.C:
			h.announceAll(ctx)
			h.keepLinks(ctx)
		}
	}
}

// Refresh makes the hub look for brokers that came, moved or went, soon. It does not wait.
func (h *Hub) Refresh() { signal(h.wake) }

func (h *Hub) refresh(ctx context.Context) {
	wanted, err := h.source.Brokers(ctx)
	if err != nil {
		if ctx.Err() == nil {
			h.log.Error("cannot list the brokers; keeping the connections there are", "error", err)
		}
		return
	}
	h.clusters = wanted
	h.keepLinks(ctx)
}

// keepLinks makes the links that are wanted, and ends the others.
func (h *Hub) keepLinks(ctx context.Context) {
	keep := map[string]bool{}
	for _, m := range slices.Concat(h.clusters, h.apart(h.clusters)) {
		m.URLs = slices.Sorted(slices.Values(m.URLs))
		keep[m.key()] = true
		h.ensure(ctx, m)
	}
	h.mu.Lock()
	var gone []*link
	for key, l := range h.links {
		if !keep[key] {
			gone = append(gone, l)
			delete(h.links, key)
		}
	}
	h.mu.Unlock()
	for _, l := range gone {
		l.close()
	}
	if len(gone) > 0 {
		signal(h.moved)
	}
}

// ensure makes the link to a cluster, or tells it where the brokers are now.
func (h *Hub) ensure(ctx context.Context, m Membership) {
	h.mu.Lock()
	l := h.links[m.key()]
	h.mu.Unlock()
	if l != nil && l.move(m) {
		return
	}
	l = newLink(ctx, h, m)
	h.mu.Lock()
	h.links[m.key()] = l
	h.mu.Unlock()
	go l.start() // brokers that do not answer must not hold up the others
}

func (h *Hub) closeAll() {
	for _, l := range h.all() {
		l.close()
	}
}

func (h *Hub) all() []*link {
	h.mu.Lock()
	defer h.mu.Unlock()
	links := make([]*link, 0, len(h.links))
	for _, l := range h.links {
		links = append(links, l)
	}
	return links
}

// brokers are the links to clusters of brokers.
func (h *Hub) brokers() []*link {
	return slices.DeleteFunc(h.all(), func(l *link) bool { return l.Attached })
}

// attachments are the links to attached servers.
func (h *Hub) attachments() []*link {
	return slices.DeleteFunc(h.all(), func(l *link) bool { return !l.Attached })
}

// wakeCouriers tells those of the operator's attachments that something changed.
func (h *Hub) wakeCouriers(operatorID string) {
	for _, l := range h.attachments() {
		if l.OperatorID == operatorID {
			signal(l.changed)
		}
	}
}

func (h *Hub) announceAll(ctx context.Context) {
	heads := map[string]Revision{}
	for _, l := range h.brokers() {
		if !l.connected() {
			continue
		}
		head, ok := heads[l.OperatorID]
		if !ok {
			var err error
			if head, err = h.source.Head(ctx, l.OperatorID); err != nil {
				h.log.Error("cannot read the operator's revision", "operator", l.OperatorID, "error", err)
				continue
			}
			heads[l.OperatorID] = head
		}
		l.announce(head)
	}
}

// Announce tells the operator's brokers its head now, so that whoever is behind
// asks, instead of when the next announcement is due.
func (h *Hub) Announce(ctx context.Context, operatorID string) error {
	h.wakeCouriers(operatorID)
	head, err := h.source.Head(ctx, operatorID)
	if err != nil {
		return fmt.Errorf("announce the head: %w", err)
	}
	for _, l := range h.brokers() {
		if l.OperatorID == operatorID && l.connected() {
			l.announce(head)
		}
	}
	return nil
}

// Publish sends a change to all brokers of the operator and returns at once; what
// they answer arrives as receipts. Couriers only learn that there is something.
// previous is the revision of the push before; whole says that with this one
// nothing up to its revision is missing.
//
// It fails with fault.Unavailable, naming the clusters, when some could not be
// reached. The caller may go on: they will ask for what they missed.
func (h *Hub) Publish(_ context.Context, operatorID string, previous Revision, e Entry, whole bool) error {
	if e.Revision <= previous {
		return fmt.Errorf("publish account %s: revision %d cannot follow revision %d", e.Account, e.Revision, previous)
	}
	h.wakeCouriers(operatorID)
	var failed []string
	var causes []error
	for _, l := range h.brokers() {
		if l.OperatorID != operatorID {
			continue
		}
		if err := l.push(previous, e, whole); err != nil {
			failed, causes = append(failed, l.Cluster), append(causes, err)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	slices.Sort(failed)
	return &fault.Error{
		Kind:    fault.Unavailable,
		Message: fmt.Sprintf("revision %d did not reach the brokers of: %s", e.Revision, strings.Join(failed, ", ")),
		Cause:   errors.Join(causes...),
	}
}

// Status returns the state of each connection, ordered by operator and cluster.
// One to a broker that its cluster's does not reach has its public key for a
// cluster. A cluster whose brokers are in two system accounts is connected when both connections are.
func (h *Hub) Status() []LinkStatus {
	var all []LinkStatus
	for _, l := range h.all() {
		all = append(all, l.status())
	}
	slices.SortFunc(all, func(a, b LinkStatus) int {
		if c := strings.Compare(a.OperatorID, b.OperatorID); c != 0 {
			return c
		}
		return strings.Compare(a.Cluster, b.Cluster)
	})
	var merged []LinkStatus
	for _, s := range all {
		if last := len(merged) - 1; last >= 0 && merged[last].OperatorID == s.OperatorID && merged[last].Cluster == s.Cluster {
			merged[last] = merged[last].and(s)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func (s LinkStatus) and(other LinkStatus) LinkStatus {
	if s.Connected && !other.Connected {
		s.Since = other.Since
	}
	s.Connected = s.Connected && other.Connected
	s.URLs = slices.Concat(s.URLs, other.URLs)
	s.LastError = cmp.Or(s.LastError, other.LastError)
	return s
}
