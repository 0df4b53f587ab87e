package resolver

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Store is a broker's account JWTs on disk, and the revision up to which it has
// applied everything. Opening it does not depend on how much it holds, and a
// batch of changes is one fsync. It is safe for concurrent use.
//
// Nothing in it is the truth: a file that cannot be read, or that belongs to
// another operator, is moved aside, and a catch-up from 0 fills a new one.
type Store struct {
	db      *bbolt.DB
	write   sync.Mutex // holds across a commit and the two counts that follow from it
	applied atomic.Int64
	stored  atomic.Int64
}

// Batch is what one call of [Store.Apply] makes durable.
type Batch struct {
	Entries   []Entry
	Refusals  []Refusal // each names its account
	AppliedTo Revision  // 0 leaves the applied revision as it is; it never goes back
}

const storeFormat = "signalbox store 1"

var (
	bucketAccounts = []byte("accounts") // public key -> revision, 8 bytes big-endian, and the JWT
	bucketRefusals = []byte("refusals") // public key -> Refusal as JSON
	bucketMeta     = []byte("meta")
	metaFormat     = []byte("format")
	metaOperator   = []byte("operator")
	metaApplied    = []byte("applied")
	metaStored     = []byte("stored")

	errForeignStore = errors.New("not this operator's store")
)

// OpenStore opens the store of the operator with that public key, and makes it
// if there is none. It fails when another process has the file open.
func OpenStore(path, operator string, log *slog.Logger) (*Store, error) {
	s, err := openStore(path, operator)
	if err == nil {
		return s, nil
	}
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("open store %s: another broker is using it", path)
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("open store: %w", err)
	}
	aside := fmt.Sprintf("%s.unreadable-%d", path, time.Now().UnixNano())
	if renameErr := os.Rename(path, aside); renameErr != nil {
		return nil, fmt.Errorf("open store: %w", errors.Join(err, renameErr))
	}
	log.Warn("the account store could not be used: moved it aside and starting from an empty one", "file", path, "moved_to", aside, "error", err)
	s, err = openStore(path, operator)
	if err != nil {
		return nil, fmt.Errorf("open a new store: %w", err)
	}
	return s, nil
}

func openStore(path, operator string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db}
	if err := db.Update(func(tx *bbolt.Tx) error { return s.prepare(tx, operator) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// prepare makes the buckets of a new file, or checks whose file it is.
func (s *Store) prepare(tx *bbolt.Tx, operator string) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return create(tx, operator)
	}
	if got := string(meta.Get(metaFormat)); got != storeFormat {
		return fmt.Errorf("unknown format %q", got)
	}
	if got := string(meta.Get(metaOperator)); got != operator {
		return fmt.Errorf("%w: it belongs to %s", errForeignStore, got)
	}
	if tx.Bucket(bucketAccounts) == nil || tx.Bucket(bucketRefusals) == nil {
		return errors.New("a bucket is missing")
	}
	s.applied.Store(number(meta.Get(metaApplied)))
	s.stored.Store(number(meta.Get(metaStored)))
	return nil
}

func create(tx *bbolt.Tx, operator string) error {
	for _, name := range [][]byte{bucketAccounts, bucketRefusals, bucketMeta} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	return errors.Join(meta.Put(metaFormat, []byte(storeFormat)), meta.Put(metaOperator, []byte(operator)))
}

// Close lets the file go.
func (s *Store) Close() error { return s.db.Close() }

// Applied is the revision up to which everything is stored, 0 in a new store.
func (s *Store) Applied() Revision { return s.applied.Load() }

// Stored is the number of accounts held, deleted ones included.
func (s *Store) Stored() int64 { return s.stored.Load() }

// Size is the file's size in bytes.
func (s *Store) Size() int64 {
	var size int64
	_ = s.db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }) // fails only when closed: 0 is right then
	return size
}

// Get returns what is stored for an account; ok says whether anything is.
func (s *Store) Get(account string) (e Entry, ok bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(bucketAccounts).Get([]byte(account))
		if len(value) < 8 {
			return nil
		}
		e, ok = Entry{Account: account, Revision: number(value), JWT: string(value[8:])}, true
		return nil
	})
	if err != nil {
		return Entry{}, false, fmt.Errorf("read account %s from the store: %w", account, err)
	}
	return e, ok, nil
}

// Apply makes a batch durable with one fsync. Of an account's entries the one
// with the highest revision stays, whether it was stored before or comes now;
// an accepted entry ends the refusals of its account up to its revision.
func (s *Store) Apply(b Batch) error {
	s.write.Lock()
	defer s.write.Unlock()
	var applied, stored int64
	err := s.db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		applied, stored = number(meta.Get(metaApplied)), number(meta.Get(metaStored))
		added, err := putEntries(tx, b.Entries)
		if err != nil {
			return err
		}
		if err := putRefusals(tx, b.Refusals); err != nil {
			return err
		}
		applied, stored = max(applied, b.AppliedTo), stored+added
		return errors.Join(meta.Put(metaApplied, numberBytes(applied)), meta.Put(metaStored, numberBytes(stored)))
	})
	if err != nil {
		return fmt.Errorf("store %d entries: %w", len(b.Entries), err)
	}
	s.applied.Store(applied)
	s.stored.Store(stored)
	return nil
}

func putEntries(tx *bbolt.Tx, entries []Entry) (added int64, err error) {
	accounts, refusals := tx.Bucket(bucketAccounts), tx.Bucket(bucketRefusals)
	for _, e := range entries {
		key := []byte(e.Account)
		held := accounts.Get(key)
		if held != nil && number(held) >= e.Revision {
			continue
		}
		if held == nil {
			added++
		}
		if err := accounts.Put(key, append(numberBytes(e.Revision), e.JWT...)); err != nil {
			return 0, err
		}
		if err := refusals.Delete(key); err != nil {
			return 0, err
		}
	}
	return added, nil
}

func putRefusals(tx *bbolt.Tx, refusals []Refusal) error {
	for _, r := range refusals {
		if err := tx.Bucket(bucketRefusals).Put([]byte(r.Account), mustJSON(r)); err != nil {
			return err
		}
	}
	return nil
}

// settle ends the refusal of an account that was refused at revision or before.
func (s *Store) settle(account string, revision Revision) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketRefusals)
		var r Refusal
		if err := json.Unmarshal(bucket.Get([]byte(account)), &r); err != nil || r.Revision > revision {
			return nil
		}
		return bucket.Delete([]byte(account))
	})
}

// Refusals are those that stand, at most limit of them.
func (s *Store) Refusals(limit int) ([]Refusal, error) {
	var standing []Refusal
	err := s.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucketRefusals).Cursor()
		for key, value := cursor.First(); key != nil && len(standing) < limit; key, value = cursor.Next() {
			var r Refusal
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			standing = append(standing, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	return standing, nil
}

func numberBytes(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// number reads the first 8 bytes; what is missing counts as 0.
func number(b []byte) int64 {
	if len(b) < 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}
