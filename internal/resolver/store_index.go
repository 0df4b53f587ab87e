package resolver

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The index of a store says where in the log each account's record is: once
// ordered by account, once by revision. It is written anew from time to time (a
// checkpoint), and what the log got since is kept in memory and read again when
// the store is opened. It is never changed once written, and read one page at a
// time; each page has a checksum over the store, the index and its own number.
//
//	header page | pages by account | pages by revision | state as JSON
//	page: checksum u32 | number of entries u32 | entries
const (
	indexPage     = 4096
	indexEntry    = 36
	pageHeader    = 8
	entriesAPage  = (indexPage - pageHeader) / indexEntry
	indexMagic    = "signalbox index1"
	indexPattern  = "index-%08d"
	provisionalAt = 1 << 31 // set in a location's length on disk
)

// accountID stands for an account's public key: its bytes after the one that says
// that it is an account's. So accounts are in the order of their keys, and spread evenly.
type accountID [16]byte

func idOf(account string) accountID {
	if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(account); err == nil && len(raw) > 17 {
		return accountID(raw[1:17])
	}
	sum := sha256.Sum256([]byte(account)) // no key, but nothing here needs it to be one
	return accountID(sum[:16])
}

// between are the lowest and the highest id of accounts whose keys begin like
// prefix; all there are when it is empty.
func between(prefix string) (low, high accountID) {
	fill := func(rest string) accountID { return idOf(prefix + strings.Repeat(rest, max(0, 56-len(prefix)))) }
	if prefix == "" {
		return accountID{}, accountID(bytes.Repeat([]byte{0xff}, 16))
	}
	return fill("A"), fill("7")
}

// location is where an account's record is. A length of 0 means nowhere.
type location struct {
	id          accountID
	revision    Revision
	segment     uint32
	offset      uint32
	length      uint32
	provisional bool
}

func byAccount(a, b location) int { return bytes.Compare(a.id[:], b.id[:]) }

func byRevision(a, b location) int {
	return cmp.Or(cmp.Compare(a.revision, b.revision), byAccount(a, b))
}

func (l location) appendTo(b []byte) []byte {
	length := l.length
	if l.provisional {
		length |= provisionalAt
	}
	b = append(b, l.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(l.revision))
	b = binary.LittleEndian.AppendUint32(b, l.segment)
	b = binary.LittleEndian.AppendUint32(b, l.offset)
	return binary.LittleEndian.AppendUint32(b, length)
}

func decodeLocation(b []byte) location {
	length := binary.LittleEndian.Uint32(b[32:])
	return location{
		id: accountID(b[:16]), revision: Revision(binary.LittleEndian.Uint64(b[16:])), segment: binary.LittleEndian.Uint32(b[24:]),
		offset: binary.LittleEndian.Uint32(b[28:]), length: length &^ provisionalAt, provisional: length&provisionalAt != 0,
	}
}

// state is what a checkpoint keeps besides the locations.
type state struct {
	Operator string             `json:"operator"`
	Cache    bool               `json:"cache"` // what is not held may exist all the same
	Applied  Revision           `json:"applied"`
	Stored   int64              `json:"stored"`
	Number   uint64             `json:"number"`  // of the last frame that is in the index
	Segment  uint32             `json:"segment"` // where the log goes on
	Offset   int64              `json:"offset"`
	Live     map[uint32]int64   `json:"live"` // every segment that is needed
	Meta     map[string][]byte  `json:"meta"`
	Refusals map[string]Refusal `json:"refusals"`
}

// index is an open index file.
type index struct {
	file     *os.File
	store    uint64
	number   uint64
	accounts int // pages
	orders   int // pages
}

func (x *index) checksum(page int, b []byte) uint32 {
	var seed [24]byte
	binary.LittleEndian.PutUint64(seed[:], x.store)
	binary.LittleEndian.PutUint64(seed[8:], x.number)
	binary.LittleEndian.PutUint64(seed[16:], uint64(page))
	return crc32.Update(crc32.Update(0, castagnoli, seed[:]), castagnoli, b)
}

// openIndex reads the header and the state, whatever else the file holds.
func openIndex(path string) (*index, state, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, state{}, err
	}
	x, s, err := readIndex(f)
	if err != nil {
		return nil, state{}, errors.Join(fmt.Errorf("%w: %s: %w", errDamaged, filepath.Base(path), err), f.Close())
	}
	return x, s, nil
}

func readIndex(f *os.File) (*index, state, error) {
	header := make([]byte, indexPage)
	if _, err := f.ReadAt(header, 0); err != nil {
		return nil, state{}, err
	}
	if string(header[4:20]) != indexMagic {
		return nil, state{}, errors.New("not an index that this program knows")
	}
	x := &index{
		file: f, store: binary.LittleEndian.Uint64(header[20:]), number: binary.LittleEndian.Uint64(header[28:]),
		accounts: int(binary.LittleEndian.Uint32(header[36:])), orders: int(binary.LittleEndian.Uint32(header[40:])),
	}
	if x.checksum(0, header[4:]) != binary.LittleEndian.Uint32(header) {
		return nil, state{}, errors.New("the header's checksum is wrong")
	}
	text := make([]byte, binary.LittleEndian.Uint32(header[44:]))
	if _, err := f.ReadAt(text, int64(1+x.accounts+x.orders)*indexPage); err != nil {
		return nil, state{}, err
	}
	if x.checksum(-1, text) != binary.LittleEndian.Uint32(header[48:]) {
		return nil, state{}, errors.New("the state's checksum is wrong")
	}
	var s state
	return x, s, json.Unmarshal(text, &s)
}

// page returns the entries of a page; they are at least one.
func (x *index) page(number int) ([]location, error) {
	b := make([]byte, indexPage)
	if _, err := x.file.ReadAt(b, int64(number)*indexPage); err != nil {
		return nil, fmt.Errorf("%w: page %d of the index: %w", errDamaged, number, err)
	}
	count := binary.LittleEndian.Uint32(b[4:])
	if x.checksum(number, b[4:]) != binary.LittleEndian.Uint32(b) || count == 0 || count > entriesAPage {
		return nil, fmt.Errorf("%w: page %d of the index: the checksum is wrong", errDamaged, number)
	}
	entries := make([]location, count)
	for i := range entries {
		entries[i] = decodeLocation(b[pageHeader+i*indexEntry:])
	}
	return entries, nil
}

// find looks among the pages by account. Where a page should be follows from the
// id, which is a hash: the guess is nearly right, and halving ends it.
func (x *index) find(id accountID) (location, bool, error) {
	want := location{id: id}
	low, high := 0, x.accounts-1
	guess := int(float64(binary.BigEndian.Uint64(id[:])) / (1 << 64) * float64(x.accounts))
	for step := 1; low <= high; {
		guess = min(max(guess, low), high)
		entries, err := x.page(1 + guess)
		if err != nil {
			return location{}, false, err
		}
		switch {
		case byAccount(want, entries[0]) < 0:
			high = guess - 1
			guess -= step
		case byAccount(want, entries[len(entries)-1]) > 0:
			low = guess + 1
			guess += step
		default:
			i, ok := slices.BinarySearchFunc(entries, want, byAccount)
			if !ok {
				return location{}, false, nil
			}
			return entries[i], true, nil
		}
		if step *= 2; step > 8 {
			guess = low + (high-low)/2
		}
	}
	return location{}, false, nil
}

// after calls take with the locations above the revision, in order, until it
// returns false.
func (x *index) after(revision Revision, take func(location) bool) error {
	low, high := 0, x.orders // the first page whose last entry is above the revision
	for low < high {
		middle := low + (high-low)/2
		entries, err := x.page(1 + x.accounts + middle)
		if err != nil {
			return err
		}
		if entries[len(entries)-1].revision > revision {
			high = middle
		} else {
			low = middle + 1
		}
	}
	for ; low < x.orders; low++ {
		entries, err := x.page(1 + x.accounts + low)
		if err != nil {
			return err
		}
		for _, l := range entries {
			if l.revision > revision && !take(l) {
				return nil
			}
		}
	}
	return nil
}

// scan calls take with all locations of the pages from first to before last.
func (x *index) scan(first, last int, take func(location) error) error {
	for ; first < last; first++ {
		entries, err := x.page(first)
		if err != nil {
			return err
		}
		for _, l := range entries {
			if err := take(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// within calls take with the locations from low to high.
func (x *index) within(low, high accountID, take func(location) error) error {
	first, last := 1, 1+x.accounts // the first page whose last entry is not below low
	for first < last {
		middle := first + (last-first)/2
		entries, err := x.page(middle)
		if err != nil {
			return err
		}
		if bytes.Compare(entries[len(entries)-1].id[:], low[:]) < 0 {
			first = middle + 1
		} else {
			last = middle
		}
	}
	errPast := errors.New("past high")
	err := x.scan(first, 1+x.accounts, func(l location) error {
		if bytes.Compare(l.id[:], high[:]) > 0 {
			return errPast
		}
		if bytes.Compare(l.id[:], low[:]) < 0 {
			return nil
		}
		return take(l)
	})
	if err == errPast {
		return nil
	}
	return err
}

// writeIndex makes the next index out of the one before and what changed since:
// a location with length 0 is left out. It is durable when this returns.
func writeIndex(dir string, before *index, store, number uint64, changed map[accountID]location, s state) (*index, error) {
	path := filepath.Join(dir, fmt.Sprintf(indexPattern, number))
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	x := &index{file: f, store: store, number: number}
	if err = x.fill(before, changed, s); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the store's index: %w", err), f.Close(), os.RemoveAll(path+".new"))
	}
	return x, nil
}

func (x *index) fill(before *index, changed map[accountID]location, s state) error {
	out := bufio.NewWriterSize(io.NewOffsetWriter(x.file, indexPage), 256<<10)
	w := &pageWriter{index: x, out: out, next: 1}
	current := make([]location, 0, len(changed))
	for _, l := range changed {
		current = append(current, l)
	}
	var pages [2]int
	for i, order := range []func(a, b location) int{byAccount, byRevision} {
		slices.SortFunc(current, order)
		rest := current
		merge := func(l location) error {
			for len(rest) > 0 && order(rest[0], l) < 0 {
				if err := w.add(rest[0]); err != nil {
					return err
				}
				rest = rest[1:]
			}
			if _, ok := changed[l.id]; ok {
				return nil
			}
			return w.add(l)
		}
		start := w.next
		if before != nil {
			first, last := 1, 1+before.accounts
			if i == 1 {
				first, last = last, last+before.orders
			}
			if err := before.scan(first, last, merge); err != nil {
				return err
			}
		}
		for _, l := range rest {
			if err := w.add(l); err != nil {
				return err
			}
		}
		if err := w.flush(); err != nil {
			return err
		}
		pages[i] = w.next - start
	}
	x.accounts, x.orders = pages[0], pages[1]
	text := mustJSON(s)
	if _, err := out.Write(text); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := x.file.WriteAt(x.header(text), 0)
	return err
}

func (x *index) header(text []byte) []byte {
	b := append(make([]byte, 4, indexPage), indexMagic...)
	b = binary.LittleEndian.AppendUint64(b, x.store)
	b = binary.LittleEndian.AppendUint64(b, x.number)
	b = binary.LittleEndian.AppendUint32(b, uint32(x.accounts))
	b = binary.LittleEndian.AppendUint32(b, uint32(x.orders))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = binary.LittleEndian.AppendUint32(b, x.checksum(-1, text))
	b = b[:indexPage]
	binary.LittleEndian.PutUint32(b, x.checksum(0, b[4:]))
	return b
}

// pageWriter fills page after page.
type pageWriter struct {
	index *index
	out   io.Writer
	next  int // the number of the page being filled
	page  []byte
	count uint32
}

func (w *pageWriter) add(l location) error {
	if l.length == 0 {
		return nil
	}
	if w.count == 0 {
		w.page = append(w.page[:0], make([]byte, pageHeader)...)
	}
	w.page = l.appendTo(w.page)
	if w.count++; w.count < entriesAPage {
		return nil
	}
	return w.flush()
}

func (w *pageWriter) flush() error {
	if w.count == 0 {
		return nil
	}
	b := append(w.page, make([]byte, indexPage-len(w.page))...)
	binary.LittleEndian.PutUint32(b[4:], w.count)
	binary.LittleEndian.PutUint32(b, w.index.checksum(w.next, b[4:]))
	w.count = 0
	w.next++
	_, err := w.out.Write(b)
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
