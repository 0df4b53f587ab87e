package resolver

import (
	"container/list"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// CacheLimit bounds what a cache holds; 0 is no bound.
type CacheLimit struct {
	Accounts int64
	Bytes    int64 // of the accounts' records in the log
}

// ParseCacheLimit reads a number of accounts, like 100000, or of bytes, like
// 512MB: KB, MB and GB are powers of 1024.
func ParseCacheLimit(text string) (CacheLimit, error) {
	number, unit := text, int64(0)
	for suffix, factor := range map[string]int64{"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30} {
		if before, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = before, factor
		}
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return CacheLimit{}, fmt.Errorf("%q is no size of a cache: it is a number of accounts, like 100000, or of bytes, like 512MB", text)
	}
	if unit > 0 {
		return CacheLimit{Bytes: n * unit}, nil
	}
	return CacheLimit{Accounts: n}, nil
}

// OpenCache is OpenStore for a store that holds only what was asked for, up to
// limit: what was used least recently leaves, but nothing that is pinned because
// the server has loaded it. Of accounts that it does not hold it keeps no
// changes, which it could not need: whoever asks for one is given its current
// claims by control. Deliveries then only move the applied revision on.
//
// Unlike a mirror it does not help anybody whose account it does not hold while
// control is away, and it answers no peer.
func OpenCache(path, operator string, limit CacheLimit, log *slog.Logger) (*Store, error) {
	return openStore(path, operator, newCache(limit), log)
}

// cache is the order in which accounts of a store were used.
type cache struct {
	limit CacheLimit

	mu    sync.Mutex
	order *list.List // of accountID that are held and not pinned, the last used in front
	held  map[accountID]*list.Element
	pins  map[accountID]int // how many want it
}

func newCache(limit CacheLimit) *cache {
	return &cache{limit: limit, order: list.New(), held: map[accountID]*list.Element{}, pins: map[accountID]int{}}
}

// fill begins with what is stored, as if it had been used when it was stored.
func (c *cache) fill(d *disk) error {
	var all []location
	err := d.index.scan(1, 1+d.index.accounts, func(l location) error {
		if _, changed := d.tail[l.id]; !changed {
			all = append(all, l)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range d.tail {
		if l.length > 0 {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b location) int {
		return slices.Compare([]uint32{a.segment, a.offset}, []uint32{b.segment, b.offset})
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range all {
		c.held[l.id] = c.order.PushFront(l.id)
	}
	return nil
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order.Init()
	clear(c.held)
}

// note follows a record that was written.
func (c *cache) note(r record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.kind {
	case kindAccount:
		id := idOf(r.key)
		if c.pins[id] == 0 && c.held[id] == nil {
			c.held[id] = c.order.PushFront(id)
		}
	case kindGone:
		c.remove(accountID([]byte(r.key)))
	}
}

// remove needs mu.
func (c *cache) remove(id accountID) {
	if e := c.held[id]; e != nil {
		c.order.Remove(e)
		delete(c.held, id)
	}
}

func (c *cache) pinned(id accountID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pins[id] > 0
}

func (c *cache) over(accounts, bytes int64) bool {
	return c.limit.Accounts > 0 && accounts > c.limit.Accounts || c.limit.Bytes > 0 && bytes > c.limit.Bytes
}

// fromOldest calls take with the accounts that may leave, the one used least
// recently first, until it returns false.
func (c *cache) fromOldest(take func(accountID) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Back(); e != nil && take(e.Value.(accountID)); {
		e = e.Prev()
	}
}

// pin keeps an account in a cache, and all that is delivered for it, until unpin
// has been called as often.
func (s *Store) pin(account string) {
	if s.cache == nil {
		return
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	id := idOf(account)
	s.cache.pins[id]++
	s.cache.remove(id)
}

// unpin makes an account that nobody wants any more the last one used.
func (s *Store) unpin(account string) {
	if s.cache == nil {
		return
	}
	id := idOf(account)
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.pins[id]--; s.cache.pins[id] > 0 {
		return
	}
	delete(s.cache.pins, id)
	if s.d == nil || s.cache.held[id] != nil {
		return
	}
	if _, ok, err := s.d.find(id); err == nil && ok {
		s.cache.held[id] = s.cache.order.PushFront(id)
	}
}

// empty is true of a cache that holds nothing: there is nothing to catch up on.
func (s *Store) empty() bool {
	if s.cache == nil {
		return false
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	return len(s.cache.held) == 0 && len(s.cache.pins) == 0
}
