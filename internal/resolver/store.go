package resolver

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Store is a broker's account JWTs on disk, and the revision up to which it has
// applied everything. Opening it does not depend on how much it holds, a batch
// of changes is one append and one fsync, and memory holds what changed since
// the last checkpoint only. It is safe for concurrent use.
//
// It is a directory of files of our own, a log and an index into it
// (store_log.go, store_index.go), because of what must hold when a disk lies.
// bbolt, which it used to be, has no checksums in its pages: one flipped bit can
// lead to an older version of an account, or send its search in a circle until the
// process dies of its stack, and a file cut short under its memory map is a
// SIGBUS. Here everything is read by plain reads and bears a checksum that covers
// where it lies, so what is not what was written here is noticed:
//
//   - The log's tail, written after the last checkpoint, is read at the start. From
//     the first frame on that is not whole it is cut off, as after a torn write:
//     the store then is what it was earlier, and catch-up brings the rest.
//   - An account's record that is damaged is dropped when it is read. The account
//     counts as not stored, and whoever needs it asks control.
//   - When the index is damaged nothing can be told from what is left. The store
//     is moved aside, and a catch-up from 0 fills a new one. So it is with another
//     operator's store.
//
// A store holds every account (a mirror), or with a limit what was asked for (a
// cache; see [OpenCache]). Nothing in it is the truth.
type Store struct {
	path     string
	operator string
	log      *slog.Logger
	lock     *os.File
	cache    *cache // nil in a mirror

	write   sync.Mutex   // held by whoever changes the store, for all of it
	mu      sync.RWMutex // held to read or to switch what d holds, for moments
	d       *disk        // nil when closed
	ordered []location   // d's tail by revision; nil when it has changed
	reading sync.RWMutex // held by Each, so that the files stay that it reads

	applied atomic.Int64
	stored  atomic.Int64
	bytes   atomic.Int64
	healed  atomic.Int64

	// Replaced by tests, to let disks fail and to see with little what happens with much.
	writeAt func(f *os.File, b []byte, offset int64) error
	segment int64 // size of a segment in bytes
}

// Batch is what one call of [Store.Apply] makes durable.
type Batch struct {
	Entries   []Entry
	Refusals  []Refusal // each names its account
	AppliedTo Revision  // 0 leaves the applied revision as it is; it never goes back
	Since     Revision  // what AppliedTo follows on: a store that lost that much meanwhile refuses the batch
	Asked     bool      // a cache keeps the entries even if it does not hold the accounts
	// Provisional entries are a peer's word: control's next word on an account
	// takes their place whatever their revision says.
	Provisional bool
}

// disk is the files of a store, and what memory holds of them.
type disk struct {
	dir      string
	store    uint64 // a random number: a file of another store is none of ours
	index    *index
	state    state // Live, Segment and Offset are brought up to date by checkpoints
	segments map[uint32]*segment
	active   *segment
	tail     map[accountID]location // since the index; length 0: gone
	replayed int64                  // bytes of log since the index
}

const (
	metaMode      = "mode"
	checkpointAt  = 1 << 16 // accounts changed since the last checkpoint
	checkpointLog = 128 << 20
	maxCleaned    = 4 // segments rewritten by one checkpoint
)

var (
	errClosed = errors.New("the store is closed")
	errLost   = errors.New("the store has lost what this follows on")
)

// OpenStore opens the store of the operator with that public key in a directory,
// as a mirror, and makes it if there is none. It fails when another process uses it.
func OpenStore(path, operator string, log *slog.Logger) (*Store, error) {
	return openStore(path, operator, nil, log)
}

func openStore(path, operator string, c *cache, log *slog.Logger) (*Store, error) {
	s := &Store{path: path, operator: operator, log: log, cache: c, writeAt: writeAll, segment: segmentBytes}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	var err error
	if s.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.Close())
	}
	return s, nil
}

// open reads what is there, or starts afresh.
func (s *Store) open() error {
	d, err := s.read()
	if errors.Is(err, os.ErrPermission) {
		return err
	}
	if err != nil {
		if err := s.moveAside(err); err != nil {
			return err
		}
	}
	if d == nil {
		if d, err = createDisk(s.path, s.operator, s.cache != nil); err != nil {
			return err
		}
	}
	s.use(d)
	return s.settleMode()
}

// read returns nil when there is no store yet.
func (s *Store) read() (*disk, error) {
	if _, err := os.Stat(s.path); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	d, cut, err := openDisk(s.path)
	if err != nil {
		return nil, err
	}
	if d.state.Operator != s.operator {
		return nil, errors.Join(fmt.Errorf("it belongs to operator %s", d.state.Operator), d.close())
	}
	if cut > 0 {
		s.healed.Add(1)
		s.log.Warn("the account store's last changes were not whole: cut them off, control is asked for them", "store", s.path, "bytes", cut, "applied", d.state.Applied)
	}
	return d, nil
}

// moveAside keeps the last unusable store, for whoever wants to know why.
func (s *Store) moveAside(why error) error {
	earlier, err := filepath.Glob(s.path + ".unreadable-*")
	if err != nil {
		return err
	}
	for _, path := range earlier {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	aside := fmt.Sprintf("%s.unreadable-%d", s.path, time.Now().UnixNano())
	if err := os.Rename(s.path, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(why, err)
	}
	s.healed.Add(1)
	s.log.Warn("the account store could not be used: moved it aside and starting from an empty one, control is asked for everything",
		"store", s.path, "moved_to", aside, "error", why)
	return nil
}

// use makes d what the store reads and writes.
func (s *Store) use(d *disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.d, s.ordered = d, nil
	s.count()
}

// count publishes what d says of itself. Needs mu.
func (s *Store) count() {
	s.applied.Store(s.d.state.Applied)
	s.stored.Store(s.d.state.Stored)
	var live int64
	for _, segment := range s.d.segments {
		live += segment.live
	}
	s.bytes.Store(live)
}

// settleMode makes the store what it is opened as. A cache's applied revision
// says nothing of what it does not hold, so a mirror begins again at 0.
func (s *Store) settleMode() error {
	if s.cache != nil {
		if err := s.cache.fill(s.d); err != nil {
			return s.heal(err)
		}
	}
	if s.d.state.Cache == (s.cache != nil) {
		return nil
	}
	mode := record{kind: kindMeta, key: metaMode, value: []byte(strconv.FormatBool(s.cache != nil))}
	records := []record{mode}
	if s.cache == nil {
		records = append(records, record{kind: kindApplied, revision: 0})
	}
	s.write.Lock()
	defer s.write.Unlock()
	return s.append(records)
}

// Close lets the files go. What is stored stays stored.
func (s *Store) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.d != nil {
		err = s.d.close()
		s.d = nil
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}

// Applied is the revision up to which everything is stored, 0 in a new store. It
// goes back when damage cost the store what it held.
func (s *Store) Applied() Revision { return s.applied.Load() }

// Stored is the number of accounts held, deleted ones included.
func (s *Store) Stored() int64 { return s.stored.Load() }

// Size is how many bytes the accounts that are held take in the log.
func (s *Store) Size() int64 { return s.bytes.Load() }

// Healed is how often damage was found, and put right, since the store was opened.
func (s *Store) Healed() int64 { return s.healed.Load() }

// Mode is mirror or cache.
func (s *Store) Mode() string {
	if s.cache != nil {
		return "cache"
	}
	return "mirror"
}

// Meta returns a small value of SetMeta's, nil when there is none.
func (s *Store) Meta(key string) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.d == nil {
		return nil
	}
	return s.d.state.Meta[key]
}

// SetMeta makes a small value durable, which lives and dies with the store.
func (s *Store) SetMeta(key string, value []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	return s.append([]record{{kind: kindMeta, key: key, value: value}})
}

// Get returns what is stored for an account; ok says whether anything is. What
// turns out to be damaged is not there.
func (s *Store) Get(account string) (e Entry, ok bool, err error) {
	e, _, ok, err = s.get(account)
	return e, ok, err
}

func (s *Store) get(account string) (e Entry, provisional, ok bool, err error) {
	id := idOf(account)
	l, r, ok, err := s.lookAt(id)
	switch {
	case errors.Is(err, errDamaged):
		s.drop(id, l, err)
		return Entry{}, false, false, nil
	case err != nil:
		return Entry{}, false, false, fmt.Errorf("read account %s from the store: %w", account, err)
	case !ok || r.key != account:
		return Entry{}, false, false, nil
	}
	return Entry{Account: account, Revision: r.revision, JWT: string(r.value)}, l.provisional, true, nil
}

// lookAt returns the location even when the record there is damaged.
func (s *Store) lookAt(id accountID) (location, record, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.d == nil {
		return location{}, record{}, false, errClosed
	}
	l, ok, err := s.d.find(id)
	if err != nil || !ok {
		return location{}, record{}, false, err
	}
	r, err := s.d.readRecord(l)
	return l, r, true, err
}

// drop forgets what turned out to be damaged.
func (s *Store) drop(id accountID, l location, why error) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.d == nil {
		return
	}
	if l.length == 0 {
		if err := s.heal(why); err != nil {
			s.log.Error("cannot make a new account store", "store", s.path, "error", err)
		}
		return
	}
	if now, ok, err := s.d.find(id); err != nil || !ok || now != l {
		return // it was replaced meanwhile
	}
	s.healed.Add(1)
	s.log.Warn("a stored account was damaged: dropped it, control is asked when it is needed", "store", s.path, "revision", l.revision, "error", why)
	if err := s.append([]record{gone(id)}); err != nil {
		s.log.Error("cannot drop a damaged account", "store", s.path, "error", err)
	}
}

func gone(id accountID) record { return record{kind: kindGone, key: string(id[:])} }

// heal starts again from nothing. Needs write, or to be alone.
func (s *Store) heal(why error) error {
	if err := s.moveAside(why); err != nil {
		return err
	}
	d, err := createDisk(s.path, s.operator, s.cache != nil)
	if err != nil {
		return err
	}
	damaged := s.d
	s.use(d)
	if s.cache != nil {
		s.cache.clear()
	}
	return damaged.close()
}

// Apply makes a batch durable with one fsync. Of an account's entries the one
// with the highest revision stays, whether it was stored before or comes now;
// an accepted entry ends the refusals of its account up to its revision. When it
// fails, for want of space perhaps, the store is what it was, and it can be
// called again.
func (s *Store) Apply(b Batch) error {
	s.write.Lock()
	defer s.write.Unlock()
	records, err := s.records(b)
	if errors.Is(err, errDamaged) {
		// What was applied is lost, so this batch is no step from where we are.
		return errors.Join(err, s.heal(err))
	}
	if err == nil {
		err = s.append(records)
	}
	if err != nil {
		return fmt.Errorf("store %d entries: %w", len(b.Entries), err)
	}
	return s.tidy()
}

// records decides what of a batch is to be written.
func (s *Store) records(b Batch) ([]record, error) {
	if s.d == nil {
		return nil, errClosed
	}
	if b.AppliedTo > 0 && s.d.state.Applied < b.Since {
		return nil, errLost
	}
	w := &writing{store: s, batch: b, newest: map[accountID]int{}}
	for _, e := range b.Entries {
		if err := w.entry(e); err != nil {
			return nil, err
		}
	}
	for _, r := range b.Refusals {
		w.records = append(w.records, record{kind: kindRefusal, key: r.Account, value: mustJSON(r)})
	}
	if b.AppliedTo > s.d.state.Applied {
		w.records = append(w.records, record{kind: kindApplied, revision: b.AppliedTo})
	}
	return w.records, nil
}

// writing is a batch on its way to becoming records.
type writing struct {
	store   *Store
	batch   Batch
	records []record
	newest  map[accountID]int // among records
}

func (w *writing) entry(e Entry) error {
	id := idOf(e.Account)
	var flags uint8
	if w.batch.Provisional {
		flags = flagProvisional
	}
	r := record{kind: kindAccount, flags: flags, revision: e.Revision, key: e.Account, value: []byte(e.JWT)}
	if i, ok := w.newest[id]; ok {
		if e.Revision > w.records[i].revision {
			w.records[i] = r
		}
		return nil
	}
	held, ok, err := w.store.d.find(id)
	if err != nil {
		return err
	}
	if ok && held.revision >= e.Revision && (!held.provisional || w.batch.Provisional) {
		return nil
	}
	if !ok && !w.batch.Asked && w.store.cache != nil && !w.store.cache.pinned(id) {
		return nil
	}
	w.newest[id] = len(w.records)
	w.records = append(w.records, r)
	if refusal, ok := w.store.d.state.Refusals[e.Account]; ok && refusal.Revision <= e.Revision {
		w.records = append(w.records, record{kind: kindRefusal, key: e.Account})
	}
	return nil
}

// append makes records durable. Needs write.
func (s *Store) append(records []record) error {
	if s.d == nil {
		return errClosed
	}
	if len(records) == 0 {
		return nil
	}
	at, err := s.d.room(records, s.segment)
	if err != nil {
		return err
	}
	frame := encodeFrame(records, s.d.state.Number+1, at)
	if err := s.writeFrame(frame); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	offset := frameHeader
	for _, r := range records {
		if err := s.d.take(r, at.at(offset)); err != nil {
			return err
		}
		if s.cache != nil {
			s.cache.note(r)
		}
		offset += r.size()
	}
	s.d.took(len(frame))
	s.d.active.end += int64(len(frame))
	s.ordered = nil
	s.count()
	return nil
}

// writeFrame leaves the segment as it was when it fails.
func (s *Store) writeFrame(frame []byte) error {
	a := s.d.active
	err := s.writeAt(a.file, frame, a.end)
	if err != nil {
		a.torn = a.file.Truncate(a.end) != nil
	}
	return err
}

func writeAll(f *os.File, b []byte, offset int64) error {
	if _, err := f.WriteAt(b, offset); err != nil {
		return err
	}
	return f.Sync()
}

// tidy lets go of what a cache has no room for, and makes a checkpoint when one
// is due. Only damage is an error: all else can wait for the next time. Needs write.
func (s *Store) tidy() error {
	var err error
	if s.cache != nil {
		err = s.evict()
	}
	if due := len(s.d.tail) >= checkpointAt || s.d.replayed >= checkpointLog; err == nil && due && s.reading.TryLock() {
		defer s.reading.Unlock()
		err = s.checkpoint()
		if err == nil {
			err = s.clean()
		}
	}
	if errors.Is(err, errDamaged) {
		return errors.Join(err, s.heal(err))
	}
	if err != nil {
		s.log.Warn("cannot tidy the account store up; it goes on as it is", "store", s.path, "error", err)
	}
	return nil
}

// evict lets go of what was used least recently, with one more write. What is
// left above the limit is in use.
func (s *Store) evict() error {
	accounts, size := s.Stored(), s.Size()
	var leaving []record
	var failure error
	s.cache.fromOldest(func(id accountID) bool {
		if !s.cache.over(accounts, size) {
			return false
		}
		l, _, err := s.d.find(id)
		failure = err
		accounts, size = accounts-1, size-int64(l.length)
		leaving = append(leaving, gone(id))
		return err == nil
	})
	if failure != nil {
		return failure
	}
	if err := s.append(leaving); err != nil {
		s.log.Warn("cannot let accounts go; the store is larger than it should be", "store", s.path, "error", err)
	}
	return nil
}

// checkpoint writes the next index. Readers go on meanwhile. Needs write.
func (s *Store) checkpoint() error {
	d := s.d
	next := d.state
	next.Segment, next.Offset, next.Live = d.active.number, d.active.end, map[uint32]int64{}
	var empty []*segment
	for number, segment := range d.segments {
		if segment.live == 0 && segment != d.active {
			empty = append(empty, segment)
			continue
		}
		next.Live[number] = segment.live
	}
	x, err := writeIndex(d.dir, d.index, d.store, d.index.number+1, d.tail, next)
	if err != nil {
		return err
	}
	before := d.index
	s.mu.Lock()
	d.index, d.state, d.tail, d.replayed = x, next, map[accountID]location{}, 0
	for _, segment := range empty {
		delete(d.segments, segment.number)
	}
	s.ordered = nil
	s.mu.Unlock()
	err = errors.Join(before.file.Close(), os.Remove(filepath.Join(d.dir, fmt.Sprintf(indexPattern, before.number))))
	for _, segment := range empty {
		err = errors.Join(err, segment.file.Close(), os.Remove(segmentPath(d.dir, segment.number)))
	}
	return err
}

// clean moves what is current out of segments that are mostly out of date; the
// next checkpoint removes them. Needs write.
func (s *Store) clean() error {
	for range maxCleaned {
		var total, live int64
		var victim *segment
		for _, g := range s.d.segments {
			total, live = total+g.end, live+g.live
			if g != s.d.active && g.live > 0 && (victim == nil || g.live < victim.live) {
				victim = g
			}
		}
		if victim == nil || total < 2*live+2*s.segment {
			return nil
		}
		if err := s.move(victim); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) move(victim *segment) error {
	end, err := victim.frames(s.d.store, 0, func(_ uint64, records []record, at []place) error {
		var current []record
		for i, r := range records {
			if r.kind != kindAccount {
				continue
			}
			l, ok, err := s.d.find(idOf(r.key))
			if err != nil {
				return err
			}
			if ok && l.segment == at[i].segment && l.offset == at[i].offset {
				current = append(current, r)
			}
		}
		return s.append(current)
	})
	if err == nil && end != victim.end {
		err = fmt.Errorf("%w: %s is not whole", errDamaged, filepath.Base(victim.file.Name()))
	}
	return err
}

// settle ends the refusal of an account that was refused at revision or before.
func (s *Store) settle(account string, revision Revision) error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.d == nil {
		return errClosed
	}
	if r, ok := s.d.state.Refusals[account]; !ok || r.Revision > revision {
		return nil
	}
	return s.append([]record{{kind: kindRefusal, key: account}})
}

// discard drops an account's entry of that revision: it is not to be used.
func (s *Store) discard(account string, revision Revision) error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.d == nil {
		return errClosed
	}
	id := idOf(account)
	if l, ok, err := s.d.find(id); err != nil || !ok || l.revision != revision {
		return err
	}
	return s.append([]record{gone(id)})
}

// Refusals are those that stand, at most limit of them, ordered by account.
func (s *Store) Refusals(limit int) ([]Refusal, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.d == nil {
		return nil, fmt.Errorf("read refusals: %w", errClosed)
	}
	var standing []Refusal
	for _, r := range s.d.state.Refusals {
		standing = append(standing, r)
	}
	slices.SortFunc(standing, func(a, b Refusal) int { return cmp.Compare(a.Account, b.Account) })
	return standing[:min(limit, len(standing))], nil
}

// Since returns entries above the revision in the order of their revisions, at
// most limit, all of them what control has said; more says that there are others.
func (s *Store) Since(revision Revision, limit int) (entries []Entry, more bool, err error) {
	s.write.Lock() // for ordered; the caller is a peer that is in no hurry
	defer s.write.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.d == nil {
		return nil, false, errClosed
	}
	if s.ordered == nil {
		s.ordered = make([]location, 0, len(s.d.tail))
		for _, l := range s.d.tail {
			if l.length > 0 {
				s.ordered = append(s.ordered, l)
			}
		}
		slices.SortFunc(s.ordered, byRevision)
	}
	places, err := s.d.after(revision, limit+1, s.ordered)
	if err != nil {
		return nil, false, err
	}
	for _, l := range places[:min(limit, len(places))] {
		r, err := s.d.readRecord(l)
		if err != nil {
			return nil, false, err
		}
		entries = append(entries, Entry{Account: r.key, Revision: r.revision, JWT: string(r.value)})
	}
	return entries, len(places) > limit, nil
}

// Each calls take with the accounts whose public keys begin with prefix, in no
// particular order, and returns the revision that was applied then: all is of one
// moment. It holds up neither changes nor readers, only checkpoints. What is
// damaged is left out.
func (s *Store) Each(prefix string, take func(Entry) error) (applied Revision, err error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	s.mu.RLock()
	if s.d == nil {
		s.mu.RUnlock()
		return 0, errClosed
	}
	d := *s.d
	d.tail, d.segments = maps.Clone(d.tail), maps.Clone(d.segments)
	s.mu.RUnlock()
	pass := func(l location) error {
		r, err := d.readRecord(l)
		if err != nil || !strings.HasPrefix(r.key, prefix) {
			return nil
		}
		return take(Entry{Account: r.key, Revision: r.revision, JWT: string(r.value)})
	}
	low, high := between(prefix)
	err = d.index.within(low, high, func(l location) error {
		if _, changed := d.tail[l.id]; changed {
			return nil
		}
		return pass(l)
	})
	for _, l := range d.tail {
		if err != nil {
			break
		}
		if l.length > 0 && bytes.Compare(l.id[:], low[:]) >= 0 && bytes.Compare(l.id[:], high[:]) <= 0 {
			err = pass(l)
		}
	}
	return d.state.Applied, err
}

// createDisk makes the files of an empty store.
func createDisk(dir, operator string, isCache bool) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	d := &disk{
		dir: dir, store: binary.LittleEndian.Uint64(random[:]), segments: map[uint32]*segment{}, tail: map[accountID]location{},
		state: state{
			Operator: operator, Cache: isCache, Segment: 1, Live: map[uint32]int64{1: 0}, Meta: map[string][]byte{}, Refusals: map[string]Refusal{},
		},
	}
	var err error
	if d.active, err = openSegment(dir, 1, os.O_CREATE|os.O_TRUNC); err != nil {
		return nil, err
	}
	d.segments[1] = d.active
	if d.index, err = writeIndex(dir, nil, d.store, 1, nil, d.state); err != nil {
		return nil, errors.Join(err, d.active.file.Close())
	}
	return d, nil
}

// openDisk reads the newest index that is whole, and the log that came after it.
// It returns how many bytes of log had to be cut off.
func openDisk(dir string) (d *disk, cut int64, err error) {
	d = &disk{dir: dir, segments: map[uint32]*segment{}, tail: map[accountID]location{}}
	if err := d.openIndex(); err != nil {
		return nil, 0, err
	}
	if err := d.openSegments(); err != nil {
		return nil, 0, errors.Join(err, d.close())
	}
	if cut, err = d.replay(); err != nil {
		return nil, 0, errors.Join(err, d.close())
	}
	return d, cut, nil
}

func (d *disk) openIndex() error {
	paths, err := filepath.Glob(filepath.Join(d.dir, "index-????????"))
	if err != nil {
		return err
	}
	err = fmt.Errorf("%w: there is no index", errDamaged)
	for _, path := range slices.Backward(paths) { // Glob sorts
		if d.index != nil {
			_ = os.Remove(path) // a crash left it
			continue
		}
		var failure error
		if d.index, d.state, failure = openIndex(path); failure != nil {
			err = failure
		}
	}
	if d.index == nil {
		return err
	}
	d.store = d.index.store
	if d.state.Meta == nil {
		d.state.Meta = map[string][]byte{}
	}
	if d.state.Refusals == nil {
		d.state.Refusals = map[string]Refusal{}
	}
	return nil
}

// openSegments opens those that the index needs and those that came later.
func (d *disk) openSegments() error {
	for number, live := range d.state.Live {
		g, err := openSegment(d.dir, number, 0)
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		g.live = live
		d.segments[number] = g
	}
	d.active = d.segments[d.state.Segment]
	if d.active == nil || d.active.end < d.state.Offset {
		return fmt.Errorf("%w: the log ends before the index does", errDamaged)
	}
	for number := d.state.Segment + 1; ; number++ {
		g, err := openSegment(d.dir, number, 0)
		if errors.Is(err, os.ErrNotExist) {
			return d.removeUnneeded()
		}
		if err != nil {
			return err
		}
		d.segments[number] = g
	}
}

// removeUnneeded removes segments that a crash kept from being removed.
func (d *disk) removeUnneeded() error {
	paths, err := filepath.Glob(filepath.Join(d.dir, "log-????????"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		number, err := strconv.ParseUint(strings.TrimPrefix(filepath.Base(path), "log-"), 10, 32)
		if err == nil && d.segments[uint32(number)] == nil {
			_ = os.Remove(path)
		}
	}
	return nil
}

// replay takes the log from where the index ends. A frame that is not the next
// one ends it, and what comes from there on is cut off.
func (d *disk) replay() (cut int64, err error) {
	offset := d.state.Offset
	for number := d.state.Segment; d.segments[number] != nil; number++ {
		g := d.segments[number]
		errNotNext := errors.New("not the next frame")
		end, err := g.frames(d.store, offset, func(frame uint64, records []record, at []place) error {
			if frame != d.state.Number+1 {
				return errNotNext
			}
			size := frameHeader
			for i, r := range records {
				if err := d.take(r, at[i]); err != nil {
					return err
				}
				size += r.size()
			}
			d.took(size)
			return nil
		})
		if err != nil && err != errNotNext {
			return 0, err
		}
		d.active = g
		if end < g.end {
			return d.cutOff(g, end)
		}
		offset = 0
	}
	return 0, nil
}

func (d *disk) cutOff(g *segment, end int64) (cut int64, err error) {
	cut = g.end - end
	g.end = end
	if err := g.file.Truncate(end); err != nil {
		return 0, err
	}
	for number := g.number + 1; d.segments[number] != nil; number++ {
		later := d.segments[number]
		cut += later.end
		delete(d.segments, number)
		if err := errors.Join(later.file.Close(), os.Remove(segmentPath(d.dir, number))); err != nil {
			return 0, err
		}
	}
	return cut, g.file.Sync()
}

func (d *disk) close() error {
	var err error
	if d.index != nil {
		err = d.index.file.Close()
	}
	for _, g := range d.segments {
		err = errors.Join(err, g.file.Close())
	}
	return err
}

// room returns where records are to go, in the next segment when this one is full.
func (d *disk) room(records []record, segmentSize int64) (place, error) {
	if d.active.torn {
		if err := d.active.file.Truncate(d.active.end); err != nil {
			return place{}, fmt.Errorf("cut off what an earlier failure left: %w", err)
		}
		d.active.torn = false
	}
	size := int64(frameHeader)
	for _, r := range records {
		size += int64(r.size())
	}
	if size > maxFrame {
		return place{}, fmt.Errorf("%d bytes are too much for one batch", size)
	}
	if d.active.end > 0 && d.active.end+size > segmentSize {
		number := d.active.number + 1
		g, err := openSegment(d.dir, number, os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return place{}, err
		}
		if err := syncDir(d.dir); err != nil {
			return place{}, errors.Join(err, g.file.Close())
		}
		d.segments[number], d.active = g, g
	}
	return place{d.store, d.active.number, uint32(d.active.end)}, nil
}

// take makes memory follow a record that is in the log.
func (d *disk) take(r record, at place) error {
	switch r.kind {
	case kindAccount, kindGone:
		return d.takeAccount(r, at)
	case kindRefusal:
		delete(d.state.Refusals, r.key)
		var refusal Refusal
		if len(r.value) > 0 && json.Unmarshal(r.value, &refusal) == nil {
			d.state.Refusals[r.key] = refusal
		}
	case kindMeta:
		if r.key == metaMode {
			d.state.Cache = string(r.value) == "true"
			return nil
		}
		d.state.Meta[r.key] = slices.Clone(r.value)
	case kindApplied:
		d.state.Applied = r.revision
	}
	return nil
}

func (d *disk) takeAccount(r record, at place) error {
	var l location
	if r.kind == kindAccount {
		l = location{
			id: idOf(r.key), revision: r.revision, segment: at.segment, offset: at.offset, length: uint32(r.size()), provisional: r.flags&flagProvisional != 0,
		}
		d.segments[at.segment].live += int64(l.length)
		d.state.Stored++
	} else if len(r.key) == len(l.id) {
		l.id = accountID([]byte(r.key))
	}
	before, ok, err := d.find(l.id)
	if err != nil {
		return err
	}
	if ok {
		d.state.Stored--
		if g := d.segments[before.segment]; g != nil {
			g.live -= int64(before.length)
		}
	}
	d.tail[l.id] = l
	return nil
}

// took counts a frame that is in the log.
func (d *disk) took(size int) {
	d.state.Number++
	d.replayed += int64(size)
}

// find says where an account's record is.
func (d *disk) find(id accountID) (location, bool, error) {
	if l, ok := d.tail[id]; ok {
		return l, l.length > 0, nil
	}
	return d.index.find(id)
}

func (d *disk) readRecord(l location) (record, error) {
	g := d.segments[l.segment]
	if g == nil {
		return record{}, fmt.Errorf("%w: the log lacks a segment", errDamaged)
	}
	b := make([]byte, l.length)
	if _, err := g.file.ReadAt(b, int64(l.offset)); err != nil {
		return record{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	r, err := decodeRecord(b, place{d.store, l.segment, l.offset})
	if err == nil && (r.kind != kindAccount || r.revision != l.revision || idOf(r.key) != l.id) {
		err = fmt.Errorf("%w: the index leads to another record", errDamaged)
	}
	return r, err
}

// after merges the index and the tail, which is given in order.
func (d *disk) after(revision Revision, limit int, tail []location) (found []location, err error) {
	first, _ := slices.BinarySearchFunc(tail, revision, func(l location, r Revision) int {
		if l.revision <= r {
			return -1
		}
		return 1
	})
	tail = tail[first:]
	add := func(l location) bool {
		if !l.provisional {
			found = append(found, l)
		}
		return len(found) < limit
	}
	full := false
	err = d.index.after(revision, func(l location) bool {
		for !full && len(tail) > 0 && byRevision(tail[0], l) < 0 {
			full = !add(tail[0])
			tail = tail[1:]
		}
		if _, changed := d.tail[l.id]; !full && !changed {
			full = !add(l)
		}
		return !full
	})
	for ; !full && len(tail) > 0; tail = tail[1:] {
		full = !add(tail[0])
	}
	return found, err
}
