package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// An account is deleted for good: its tombstone is in force, so the server has
// closed its streams, but their files are there. Each broker looks after its own
// disk. When it has caught up after a start, and after each tombstone that it
// applies, it tells control up to which revision it has looked, and of which
// deleted accounts it found files:
//
//	{"broker":"U…","verified":43,"found":[{"account":"A…","bytes":40960}]}
//
// So of every other account that was deleted up to then nothing is on that disk,
// and control compares integers. If the broker's JetStream is clustered, control has its
// leader forget the streams first, so that no member that returns brings them
// back. Then it answers which accounts the broker is to erase, and which not yet:
//
//	{"erase":["A…"],"wait":{"A…":"the cluster's JetStream has no leader"}}
//
// A broker erases what it holds a tombstone of, signed by the operator, and control
// tells it to; neither will do alone. It tells again, what it has erased
// (`"gone":true`) and what it could not, until nothing is left and control knows it.
const SubjectDisk = "signalbox.disk"

// subjectPurge has the leader of a cluster's JetStream delete the streams of an
// account (nats-server's jetstream_api.go).
const subjectPurge = "$JS.API.ACCOUNT.PURGE."

// DiskReport is what a broker says of its disk.
type DiskReport struct {
	Broker    string     `json:"broker"`
	Verified  Revision   `json:"verified"` // nothing is there of accounts that were deleted up to here, but what Found names
	Found     []DiskFind `json:"found,omitempty"`
	Clustered bool       `json:"clustered,omitempty"` // its JetStream is
}

// DiskFind is what there was of one deleted account.
type DiskFind struct {
	Account string `json:"account"`
	Gone    bool   `json:"gone,omitempty"` // it has been erased
	Bytes   int64  `json:"bytes"`
	Error   string `json:"error,omitempty"` // why it could not be; safe to show
}

type diskAnswer struct {
	Erase []string          `json:"erase"`
	Wait  map[string]string `json:"wait,omitempty"` // for what, by account
}

// Disk is where a broker's server keeps the accounts' streams.
type Disk struct {
	Clustered func() bool
	Current   func() bool                                               // whether its JetStream knows what the cluster's leader has deleted; one that is not clustered does
	Accounts  func() ([]string, error)                                  // that have files there
	Size      func(account string) (bytes int64, there bool, err error) // of one's files
	Erase     func(account string) error                                // fails while the server has them open
}

const (
	diskFirst   = 100 * time.Millisecond
	diskAtMost  = 10 * time.Second // between attempts to erase, or to tell
	maxFound    = 200              // in one report
	maxGraves   = 100              // looked for one by one; with more, the folder is read
	purgeWithin = 2 * time.Second
)

// graves are tombstones that were applied and whose accounts' files have not been looked for.
type graves struct {
	news chan struct{} // holds one

	mu       sync.Mutex
	accounts map[string]bool
	all      bool     // look at everything there is
	need     Revision // which control is to hear of
}

func newGraves() *graves {
	return &graves{news: make(chan struct{}, 1), accounts: map[string]bool{}, all: true}
}

// add notes a tombstone. It never waits.
func (g *graves) add(account string, revision Revision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[account], g.need = true, max(g.need, revision)
	if len(g.accounts) > maxGraves {
		g.accounts, g.all = map[string]bool{}, true
	}
	signal(g.news)
}

// addAll says that tombstones may have passed by unseen.
func (g *graves) addAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = true
	signal(g.news)
}

func (g *graves) take() (accounts map[string]bool, all bool, need Revision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	accounts, all = g.accounts, g.all
	g.accounts, g.all = map[string]bool{}, false
	return accounts, all, g.need
}

// UseDisk has the follower look after what deleted accounts left there. Call it before Run.
func (f *Follower) UseDisk(d Disk) {
	f.disk = d
	f.resolver.buried = f.graves.add
}

// keeper looks after one disk; known to its goroutine only.
type keeper struct {
	*Follower
	unsure map[string]bool // have files or a tombstone, and it is not known yet whether they were deleted
	found  map[string]DiskFind
	told   Revision // control knows that this far has been looked
}

// tellDisk runs beside the follower's loop until ctx ends.
func (f *Follower) tellDisk(ctx context.Context) {
	if f.disk.Accounts == nil || !f.waitCaughtUp(ctx) {
		return
	}
	k := keeper{Follower: f, unsure: map[string]bool{}, found: map[string]DiskFind{}, told: -1}
	for pause := diskFirst; ; pause = min(2*pause, diskAtMost) {
		for k.look(ctx) { // as long as something comes of it
			pause = diskFirst
		}
		again := time.NewTimer(pause)
		if k.settled() {
			again.Stop()
		}
		select {
		case <-ctx.Done():
			again.Stop()
			return
		case <-again.C:
		case <-f.graves.news:
			again.Stop()
			pause = diskFirst
		}
	}
}

func (f *Follower) waitCaughtUp(ctx context.Context) bool {
	for {
		p, changed := f.Progress()
		if p.CaughtUp {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// settled says whether there is nothing to do until the next tombstone.
func (k *keeper) settled() bool {
	k.graves.mu.Lock()
	defer k.graves.mu.Unlock()
	return len(k.unsure) == 0 && len(k.found) == 0 && !k.graves.all && len(k.graves.accounts) == 0 && k.told >= max(k.graves.need, 0)
}

// look looks at the disk, tells control, and erases what it is to. True: there is
// something new to tell.
func (k *keeper) look(ctx context.Context) bool {
	if !k.disk.Current() {
		return false
	}
	verified := k.applied() // tombstones up to here have been noted before
	accounts, all, _ := k.graves.take()
	maps.Copy(k.unsure, accounts)
	if all && !k.listAll() {
		return false
	}
	for account := range k.unsure {
		k.judge(ctx, account)
	}
	k.measure()
	report := DiskReport{Broker: k.broker, Verified: verified, Clustered: k.disk.Clustered()}
	if len(k.unsure) > 0 || len(k.found) > maxFound {
		report.Verified = 0
	}
	for _, account := range slices.Sorted(maps.Keys(k.found)) {
		if len(report.Found) < maxFound {
			report.Found = append(report.Found, k.found[account])
		}
	}
	answer, err := k.tellOfDisk(ctx, report)
	if err != nil {
		k.log.Debug("control has not heard of the disk yet", "error", err)
		return false
	}
	k.told = report.Verified
	for _, f := range report.Found {
		if f.Gone {
			delete(k.found, f.Account)
		}
	}
	for account, why := range answer.Wait {
		if find, known := k.found[account]; known && !find.Gone {
			find.Error = why
			k.found[account] = find
		}
	}
	return k.erase(ctx, answer.Erase)
}

// listAll notes every account that has files.
func (k *keeper) listAll() bool {
	accounts, err := k.disk.Accounts()
	if err != nil {
		k.log.Error("cannot look for files of deleted accounts", "error", err)
		k.graves.addAll()
		return false
	}
	for _, account := range accounts {
		k.unsure[account] = true
	}
	return true
}

// judge finds out whether the account was deleted, and has files.
func (k *keeper) judge(ctx context.Context, account string) {
	deleted, err := k.deleted(ctx, account)
	if err != nil {
		k.log.Debug("cannot tell yet whether an account that has files was deleted", "account", account, "error", err)
		return
	}
	delete(k.unsure, account)
	if deleted {
		k.found[account] = DiskFind{Account: account}
	}
}

// deleted says whether the operator signed a tombstone of the account, by what is
// stored, or as control answers.
func (k *keeper) deleted(ctx context.Context, account string) (bool, error) {
	e, ok, err := k.store.Get(account)
	if err != nil {
		return false, err
	}
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		e, err = k.lookUp(ctx, account)
	}
	if errors.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if g, err := look(e.JWT); err == nil && g.Claims.Revocations.AllUsers == 0 {
		return false, nil // most are; a signature costs more
	}
	c, err := k.resolver.trust.Check(e.JWT, account)
	return err == nil && claims.IsTombstone(c), err
}

// measure finds out how much there is of those that are not gone.
func (k *keeper) measure() {
	for account, find := range k.found {
		if find.Gone {
			continue
		}
		bytes, there, err := k.disk.Size(account)
		switch {
		case err != nil:
			find.Error = err.Error()
		case there:
			find.Bytes = bytes
		case find.Bytes == 0 && find.Error == "": // nothing was here
			delete(k.found, account)
			continue
		default:
			find.Gone, find.Error = true, ""
		}
		k.found[account] = find
	}
}

// erase erases those of the accounts of which there is something.
func (k *keeper) erase(ctx context.Context, accounts []string) (news bool) {
	for _, account := range accounts {
		find, known := k.found[account]
		deleted, err := k.deleted(ctx, account)
		if !known || find.Gone || err != nil || !deleted {
			continue
		}
		if err := k.disk.Erase(account); err != nil {
			k.log.Warn("cannot erase what a deleted account left; trying again", "account", account, "error", err)
			news = news || find.Error != err.Error()
			find.Error = err.Error()
		} else {
			k.log.Info("erased what a deleted account left", "account", account, "bytes", find.Bytes)
			find.Gone, find.Error, news = true, "", true
		}
		k.found[account] = find
	}
	return news
}

func (f *Follower) tellOfDisk(ctx context.Context, report DiskReport) (diskAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	m, err := f.conn.RequestWithContext(ctx, SubjectDisk, mustJSON(report))
	if err != nil {
		return diskAnswer{}, err
	}
	if reason := m.Header.Get(headerLookupErr); reason != "" {
		return diskAnswer{}, errors.New(reason)
	}
	var answer diskAnswer
	err = json.Unmarshal(m.Data, &answer)
	return answer, err
}

// takeDisk is control's end.
func (l *link) takeDisk(ctx context.Context, m *nats.Msg) {
	var report DiskReport
	if err := json.Unmarshal(m.Data, &report); err != nil || report.Broker == "" {
		l.fail("read what a broker says of its disk", errors.Join(err, errors.New("not a report")))
		return
	}
	deleted, err := l.hub.source.Disk(ctx, l.OperatorID, report)
	if err != nil {
		l.fail("keep what a broker says of its disk", err)
		l.cannot(m, "it cannot be stored right now")
		return
	}
	answer := diskAnswer{Erase: []string{}, Wait: map[string]string{}}
	for _, account := range deleted {
		if err := l.forget(ctx, account, report.Clustered); err != nil {
			l.fail("have the cluster's JetStream forget a deleted account", err)
			answer.Wait[account] = "the cluster's JetStream cannot delete its streams yet"
			continue
		}
		answer.Erase = append(answer.Erase, account)
	}
	l.respond(m, "", mustJSON(answer))
}

// forget has a clustered JetStream forget the account's streams. A server that
// stands alone has, with its tombstone.
func (l *link) forget(ctx context.Context, account string, clustered bool) error {
	if !clustered {
		return nil
	}
	nc := l.connection()
	if nc == nil {
		return fmt.Errorf("not connected to cluster %s", l.Cluster)
	}
	ctx, cancel := context.WithTimeout(ctx, purgeWithin)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, subjectPurge+account, nil)
	if err != nil {
		return fmt.Errorf("purge account %s in cluster %s: %w", account, l.Cluster, err)
	}
	var answer struct {
		Initiated bool `json:"initiated"`
		Error     *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("read the answer to a purge: %w", err)
	}
	if answer.Error != nil || !answer.Initiated {
		return fmt.Errorf("purge account %s in cluster %s: %s", account, l.Cluster, m.Data)
	}
	return nil
}
